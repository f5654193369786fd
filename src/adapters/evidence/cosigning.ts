import type { Contradiction, Published } from '../../evidence/log.ts';
import { withLines } from '../../evidence/note.ts';
import { NoCosignature, type WitnessClient } from './witness-client.ts';

const AGAIN_MS = 10_000;
const AGAIN_MOST_MS = 300_000;

/** What came of asking. */
export interface Cosigned {
  /** The witnesses that have cosigned now. */
  by: readonly string[];
  /** The note with the lines of all who have cosigned it, where they are as many as are wanted. */
  note: string | null;
  /** What those say who have seen another log: each of them until it cosigns. */
  contradiction: Contradiction | null;
}

/** Those who cosign the checkpoints of a log. */
export interface Witnesses {
  /**
   * Asks those who have not cosigned this checkpoint yet, all at once; never rejects. One that fails is left alone for a while. One that is ahead
   * says nothing against the log if others have published as much meanwhile: `published` tells the size of the newest checkpoint.
   */
  ask(checkpoint: Published, proofFrom: ProofFrom, published: () => Promise<number>): Promise<Cosigned>;
}

type ProofFrom = (older: number) => readonly Buffer[];

/** So many of these witnesses are wanted. `nowMs` is a clock that never goes back. */
export const witnessesOf = (
  clients: readonly WitnessClient[],
  {
    quorum,
    onFault,
    nowMs = () => performance.now(),
  }: { quorum: number; onFault(what: string, error: unknown): void; nowMs?: () => number },
): Witnesses => {
  const rests = new Map<string, { failures: number; until: number }>();
  let note = '';
  let lines = new Map<string, readonly string[]>();

  const against = new Set<string>();
  let contradiction: Contradiction | null = null;

  const say = () => {
    const witnesses = [...against].sort();
    if (witnesses.join() === (contradiction?.witnesses ?? []).join()) return;
    contradiction = witnesses.length === 0 ? null : { witnesses, isTooMany: clients.length - witnesses.length < quorum };
  };

  const askOne = async (client: WitnessClient, checkpoint: Published, proofFrom: ProofFrom, published: () => Promise<number>) => {
    try {
      const given = await client.cosign(checkpoint, proofFrom);
      rests.delete(client.name);
      against.delete(client.name);
      return given;
    } catch (error) {
      const failures = (rests.get(client.name)?.failures ?? 0) + 1;
      rests.set(client.name, { failures, until: nowMs() + Math.min(AGAIN_MS * 2 ** failures, AGAIN_MOST_MS) });
      onFault(`witness ${client.name}`, error);
      if (await contradicts(error, published)) against.add(client.name);
      return null;
    }
  };

  return {
    async ask(checkpoint, proofFrom, published) {
      if (checkpoint.note !== note) [note, lines] = [checkpoint.note, new Map()];
      const due = clients.filter(({ name }) => !lines.has(name) && (rests.get(name)?.until ?? 0) <= nowMs());
      const by: string[] = [];
      await Promise.all(
        due.map(async (client) => {
          const given = await askOne(client, checkpoint, proofFrom, published);
          if (given === null) return;
          lines.set(client.name, given);
          by.push(client.name);
        }),
      );
      say();
      return { by, note: lines.size >= quorum ? withLines(note, [...lines.values()].flat()) : null, contradiction };
    },
  };
};

/** Whether a witness has seen another log than the one that is published. */
const contradicts = async (error: unknown, published: () => Promise<number>): Promise<boolean> => {
  if (!(error instanceof NoCosignature) || error.reason === 'refused') return false;
  return error.leaves === undefined || error.leaves > (await published());
};
