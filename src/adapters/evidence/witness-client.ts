import type { Outbound, OutboundResponse } from '../../domain/ports/outbound.ts';
import { Malformed } from '../../evidence/malformed.ts';
import { NotSigned, openNote, partsOfNote, withLines } from '../../evidence/note.ts';
import type { VerifierKey } from '../../evidence/note-key.ts';
import { countIn } from '../../evidence/text.ts';
import { addCheckpointText, SIZE_TYPE } from '../../evidence/witness.ts';

/** A witness, as the log sees it. */
export interface WitnessClient {
  /** The name in its key. */
  name: string;
  /**
   * Brings it a signed checkpoint of this size and resolves its lines of cosignature, verified. `proofFrom` gives the consistency proof from an
   * older size. Rejects with `NoCosignature`, or with what the outbound client rejects with; the next checkpoint may succeed.
   */
  cosign(checkpoint: { note: string; size: number }, proofFrom: (older: number) => readonly Buffer[]): Promise<readonly string[]>;
}

/** Why a witness gave no cosignature. `ahead`: it has cosigned a larger tree. `fork`: it has cosigned another tree of this log. */
export class NoCosignature extends Error {
  override name = 'NoCosignature';
  readonly reason: 'ahead' | 'fork' | 'refused';
  /** How many leaves the witness has cosigned, where it is ahead. */
  readonly leaves: number | undefined;

  constructor(reason: NoCosignature['reason'], message: string, { leaves, ...options }: ErrorOptions & { leaves?: number } = {}) {
    super(message, options);
    this.reason = reason;
    this.leaves = leaves;
  }
}

const ATTEMPTS = 3;

/** A witness at a URL, in front of `/add-checkpoint`. What it has cosigned last is learnt from it. */
export const witnessClient = (url: string, key: VerifierKey, outbound: Outbound): WitnessClient => {
  const addCheckpoint = `${url.replace(/\/+$/, '')}/add-checkpoint`;
  // Another node of the log may have been there: then the witness says so.
  let cosigned = 0;

  const send = (note: string, older: number, proof: readonly Buffer[]): Promise<OutboundResponse> =>
    outbound.fetch({
      ...{ method: 'POST', url: addCheckpoint },
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      body: addCheckpointText({ older, proof, note }),
    });

  return {
    name: key.name,
    async cosign({ note, size }, proofFrom) {
      for (let attempt = 1; ; attempt += 1) {
        const older = Math.min(cosigned, size);
        const { status, headers, body } = await send(note, older, proofFrom(older));
        if (status === 200) {
          const lines = linesIn(note, body, key);
          cosigned = size;
          return lines;
        }
        if (status !== 409) throw refused(key.name, status);
        if (headers['content-type']?.split(';')[0] !== SIZE_TYPE)
          throw new NoCosignature('fork', `${key.name} has cosigned another tree of ${size} leaves`);
        cosigned = sizeIn(body);
        if (cosigned > size) throw ahead(key.name, cosigned, size);
        if (attempt === ATTEMPTS) throw new NoCosignature('refused', `${key.name} was asked by others at the same time`);
      }
    },
  };
};

const ahead = (name: string, leaves: number, size: number): NoCosignature =>
  new NoCosignature('ahead', `${name} has cosigned ${leaves} leaves, and the log has ${size}`, { leaves });

const refused = (name: string, status: number): NoCosignature =>
  status === 422
    ? new NoCosignature('fork', `${name} does not find the tree that it has cosigned in this one`)
    : new NoCosignature('refused', `${name} answered ${status}`);

const linesIn = (note: string, body: string, key: VerifierKey): readonly string[] => {
  try {
    const { text } = partsOfNote(note);
    return openNote(withLines(`${text}\n`, body.split('\n').slice(0, -1)), [key]).signatures.map(({ line }) => line);
  } catch (cause) {
    if (cause instanceof Malformed || cause instanceof NotSigned)
      throw new NoCosignature('refused', `${key.name} did not answer with its cosignature`, { cause });
    throw cause;
  }
};

const sizeIn = (body: string): number => {
  try {
    return countIn(body.trimEnd());
  } catch (cause) {
    throw new NoCosignature('refused', 'the witness did not say what it has cosigned', { cause });
  }
};
