import type { LeafEvent } from './leaf.ts';
import { Malformed } from './malformed.ts';
import type { Entry } from './verify.ts';

/** The first line of a bundle: of which log it is, under which checkpoint, and what of it there is. */
export interface BundleHead {
  origin: string;
  /** The key of the log: name, id and key. */
  key: string;
  /** The signed note. */
  checkpoint: string;
  /** The first and the last index of what is there; null for all facts that the checkpoint covers, and for those of one consent. */
  range: { from: number; to: number } | null;
  /** The consent whose facts these are, or null. */
  consent: string | null;
  /** Proofs that the checkpoint's tree begins with older ones, of these sizes: for who kept a checkpoint of one of them. */
  consistency?: readonly { size: number; proof: readonly Buffer[] }[] | undefined;
}

/** One fact of a bundle. Where not all are there, each has its proof. */
export interface BundledFact {
  index: number;
  event: LeafEvent;
  proof?: readonly Buffer[] | undefined;
  /** Where the sealed part was taken away: what it had for a hash, in base64url. */
  sealedHash?: string | undefined;
  /** The key of the sealed part, where it is given to whoever gets the bundle. */
  key?: string | undefined;
}

const FORMAT = 'evidence';
const VERSION = 1;

/** The lines of a bundle, each with its end. The facts come in the order of their indices. */
export async function* writeBundle(
  head: BundleHead,
  facts: Iterable<BundledFact> | AsyncIterable<BundledFact>,
): AsyncGenerator<string, void, undefined> {
  yield `${headLine(head)}\n`;
  for await (const fact of facts) yield `${factLine(fact)}\n`;
}

/** The first line. */
export const headLine = ({ origin, key, checkpoint, range, consent, consistency }: BundleHead): string =>
  JSON.stringify({
    ...{ countersign: FORMAT, version: VERSION, origin, key, checkpoint },
    ...{ range: range && { from: range.from, to: range.to }, consent },
    ...(consistency !== undefined && { consistency: consistency.map(({ size, proof }) => ({ size, proof: written(proof) })) }),
  });

/** The line of one fact. */
export const factLine = ({ index, proof, event, sealedHash, key }: BundledFact): string =>
  JSON.stringify({
    index,
    ...(proof !== undefined && { proof: written(proof) }),
    event: eventOf(event),
    ...(sealedHash !== undefined && { sealedHash }),
    ...(key !== undefined && { key }),
  });

const written = (proof: readonly Buffer[]): string[] => proof.map((hash) => hash.toString('base64'));

const eventOf = (event: LeafEvent): LeafEvent => ({
  ...{ id: event.id, type: event.type, version: event.version },
  ...(event.compatibleFrom !== undefined && { compatibleFrom: event.compatibleFrom }),
  actor: { kind: event.actor.kind, id: event.actor.id },
  ...{ correlationId: event.correlationId, causationId: event.causationId, data: event.data, sealed: event.sealed },
  ...{ stream: event.stream, revision: event.revision, recordedAt: event.recordedAt },
});

/** Reads the first line. There is one way to write it: throws `Malformed` for any other. */
export const readHead = (line: string): BundleHead => {
  const { countersign, version, origin, key, checkpoint, range, consent, consistency } = objectIn(line);
  if (countersign !== FORMAT || version !== VERSION) throw new Malformed('a bundle of another format or version');
  if (![origin, key, checkpoint].every(isText) || !(consent === null || isText(consent)))
    throw new Malformed('the first line is not that of a bundle');
  if (!(range === null || (isObject(range) && isRange(range)))) throw new Malformed('a range has a first and a last index');
  const proofs = consistency === undefined ? undefined : proofsIn(consistency);
  const head = { origin, key, checkpoint, range, consent, consistency: proofs } as BundleHead;
  if (headLine(head) !== line) throw new Malformed('the first line is not written as that of a bundle is');
  return head;
};

/** Reads the line of a fact. There is one way to write it: throws `Malformed` for any other. */
export const readFact = (line: string): Entry => {
  const { index, proof, event, sealedHash, key } = objectIn(line);
  if (!isCount(index) || !isObject(event) || !isEvent(event)) throw new Malformed('the line is not that of a fact');
  if (!isAbsentOr(sealedHash, isHash) || !isAbsentOr(key, isHash)) throw new Malformed('a hash and a key are 32 bytes');
  const entry = { index, event, sealedHash, key, proof: proof === undefined ? undefined : hashesIn(proof) };
  if (factLine(entry) !== line) throw new Malformed('the line is not written as that of a fact is');
  return entry;
};

const proofsIn = (consistency: unknown): { size: number; proof: Buffer[] }[] => {
  if (!Array.isArray(consistency)) throw new Malformed('proofs of consistency are a list');
  return consistency.map((one: unknown) => {
    if (!isObject(one) || !isCount(one['size'])) throw new Malformed('a proof of consistency is from a size');
    return { size: one['size'], proof: hashesIn(one['proof']) };
  });
};

const hashesIn = (proof: unknown): Buffer[] => {
  if (!Array.isArray(proof) || !proof.every(isText)) throw new Malformed('a proof is a list of hashes');
  return proof.map((hash) => Buffer.from(hash, 'base64'));
};

type Json = Record<string, unknown>;

const objectIn = (line: string): Json => {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new Malformed('the line is no JSON', { cause });
  }
  if (!isObject(value)) throw new Malformed('the line is no JSON object');
  return value;
};

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === 'string' && value.isWellFormed();
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isHash = (value: unknown): value is string =>
  typeof value === 'string' && value.length === 43 && Buffer.from(value, 'base64url').toString('base64url') === value;
const isRange = ({ from, to }: Json): boolean => isCount(from) && isCount(to);
const isAbsentOr = <T>(value: unknown, is: (value: unknown) => value is T): value is T | undefined => value === undefined || is(value);

const isEvent = (event: Json): event is Json & LeafEvent => {
  const { id, type, version, compatibleFrom, actor, correlationId, causationId, data, sealed, stream, revision, recordedAt } = event;
  return (
    [id, type, correlationId, data, stream].every(isText) &&
    [version, revision, recordedAt].every(isCount) &&
    isAbsentOr(compatibleFrom, isCount) &&
    (causationId === null || isText(causationId)) &&
    (sealed === null || isText(sealed)) &&
    isObject(actor) &&
    isText(actor['kind']) &&
    isText(actor['id'])
  );
};
