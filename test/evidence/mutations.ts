import { createSecretKey, generateKeyPairSync, hash, type KeyObject } from 'node:crypto';
import { encrypt } from '../../src/adapters/keys/aes-gcm.ts';
import { sealingContext } from '../../src/domain/events.ts';
import type { BundledFact } from '../../src/evidence/bundle.ts';
import { type LeafEvent, leafOf } from '../../src/evidence/leaf.ts';
import { openWithEventKey, readSealedText, sealedText } from '../../src/evidence/sealed-text.ts';
import { signed } from './histories.ts';

type Random = () => number;

/** Who changes the log: somebody with the database alone, or one who makes the tree anew, numbers it right, and signs with the log's key. */
export type Who = 'naive' | 'insider';

/** What was made of a log. */
export interface Changed {
  facts: BundledFact[];
  /** How many of the first facts the checkpoint that is shown covers; all of them if not given. */
  size?: number;
  /** Another key has signed. */
  otherKey?: boolean;
}

/** Changes a log, whose facts are not changed themselves; null where this log has nothing for it. */
export type Mutation = (facts: readonly BundledFact[], random: Random) => Changed | null;

const below = (random: Random, count: number): number => Math.floor(random() * count);
const changedAt = (facts: readonly BundledFact[], at: number, change: (event: LeafEvent) => LeafEvent): BundledFact[] =>
  facts.map((fact, index) => (index === at ? { ...fact, event: change(fact.event) } : fact));

/** One bit of a text is another, and it stays a text. */
const flippedText = (text: string, random: Random): string => {
  const bytes = Buffer.from(text === '' ? 'x' : text);
  const at = below(random, bytes.length);
  bytes[at] = (bytes[at] as number) ^ (1 << below(random, 7));
  const flipped = bytes.toString();
  return flipped.isWellFormed() && flipped !== text ? flipped : `${text}x`;
};

const COLUMNS = [
  'id',
  'type',
  'version',
  'compatibleFrom',
  'kind',
  'actor',
  'correlationId',
  'causationId',
  'data',
  'sealed',
  'stream',
  'revision',
  'recordedAt',
];

const flip: Mutation = (facts, random) => {
  const at = below(random, facts.length);
  const column = COLUMNS[below(random, COLUMNS.length)] as string;
  return {
    facts: changedAt(facts, at, (event) => {
      if (column === 'kind') return { ...event, actor: { ...event.actor, kind: flippedText(event.actor.kind, random) as 'psu' } };
      if (column === 'actor') return { ...event, actor: { ...event.actor, id: flippedText(event.actor.id, random) } };
      if (column === 'compatibleFrom') return { ...event, compatibleFrom: (event.compatibleFrom ?? event.version) + 1 };
      const value = event[column as keyof LeafEvent];
      const changed = typeof value === 'number' ? value ^ (1 << below(random, 20)) : flippedText((value as string | null) ?? '', random);
      return { ...event, [column]: changed };
    }),
  };
};

const remove: Mutation = (facts, random) => ({ facts: facts.toSpliced(below(random, facts.length), 1) });

const moved: Mutation = (facts, random) => {
  const [from, to] = [below(random, facts.length), below(random, facts.length)];
  const fact = facts[from] as BundledFact;
  return { facts: facts.toSpliced(from, 1).toSpliced(to, 0, fact) };
};

const truncate: Mutation = (facts, random) => ({ facts: facts.slice(0, below(random, facts.length)) });

/** A fact that nobody made, in the words of one that somebody did. */
const insert: Mutation = (facts, random) => {
  const { event } = facts[below(random, facts.length)] as BundledFact;
  const id = generatedId(random);
  return { facts: facts.toSpliced(below(random, facts.length), 0, { index: 0, event: { ...event, id } }) };
};

const generatedId = (random: Random): string =>
  hash('sha256', String(random())).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');

const dropStream: Mutation = (facts, random) => {
  const { stream } = (facts[below(random, facts.length)] as BundledFact).event;
  return { facts: facts.filter(({ event }) => event.stream !== stream) };
};

const duplicate: Mutation = (facts, random) => ({
  facts: facts.toSpliced(below(random, facts.length), 0, facts[below(random, facts.length)] as BundledFact),
});

/** The public part, or the sealed one, of another fact of the same type. */
const replacePayload: Mutation = (facts, random) => {
  const at = below(random, facts.length);
  const { event } = facts[at] as BundledFact;
  const others = facts.filter((other) => other.event.type === event.type && other.event.data !== event.data);
  const other = others[below(random, others.length)];
  if (other === undefined) return null;
  const { data, sealed } = other.event;
  return { facts: changedAt(facts, at, () => (random() < 0.5 || sealed === null ? { ...event, data } : { ...event, sealed })) };
};

const swapTwo: Mutation = (facts, random) => {
  const [one, other] = [below(random, facts.length), below(random, facts.length)];
  const [first, second] = [facts[one] as BundledFact, facts[other] as BundledFact];
  return { facts: facts.map((fact, index) => (index === one ? second : index === other ? first : fact)) };
};

/** Another history from some fact on: what was left out here stands in the one that the checkpoint outside is of. */
const fork: Mutation = (facts, random) => {
  const from = below(random, facts.length);
  return { facts: [...facts.slice(0, from), ...facts.slice(from).filter(() => random() < 0.6)] };
};

/** An older state of the log, with a checkpoint that was rightly signed then. */
const rollBack: Mutation = (facts, random) => {
  const size = below(random, facts.length);
  return { facts: facts.slice(0, size), size };
};

/** Somebody's own key in the place of a device's, and the answer signed anew with it; or another key of the log. */
const swapKey: Mutation = (facts, random) => {
  const devices = facts.filter(({ event }) => event.type === 'DeviceRegistered');
  if (random() < 0.3) return { facts: [...facts], otherKey: true };
  const at = facts.indexOf(devices[below(random, devices.length)] as BundledFact);
  const { event } = facts[at] as BundledFact;
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { kty, crv, x, y } = publicKey.export({ format: 'jwk' });
  const keyThumbprint = hash('sha256', JSON.stringify({ crv, kty, x, y }), 'base64url');
  const swapped = changedAt(facts, at, () => ({
    ...event,
    data: JSON.stringify({ ...JSON.parse(event.data), publicKey: { kty, crv, x, y }, keyThumbprint }),
  }));
  return { facts: swapped.map((fact) => signedAnew(fact, event.stream.slice('device-'.length), privateKey, keyThumbprint)) };
};

const signedAnew = (fact: BundledFact, deviceId: string, privateKey: KeyObject, keyThumbprint: string): BundledFact => {
  const data = JSON.parse(fact.event.data);
  if (data.keyThumbprint === undefined || data.deviceId !== deviceId) return fact;
  const { event, key } = fact;
  const changed = { ...event, data: JSON.stringify({ ...data, keyThumbprint }) };
  if (key === undefined || event.sealed === null) return { ...fact, event: changed };
  const context = sealingContext(event.stream, event.revision, event);
  const personal = JSON.parse(openWithEventKey(event.sealed, context, key));
  const [header = '', claims = ''] = personal.answer.split('.').map((part: string) => Buffer.from(part, 'base64url').toString());
  const answer = signed(privateKey, { ...JSON.parse(header), alg: 'ES256' }, JSON.parse(claims));
  const secret = Buffer.from(key, 'base64url');
  const encrypted = encrypt(createSecretKey(secret), Buffer.from(JSON.stringify({ ...personal, answer })), context);
  return { ...fact, event: { ...changed, sealed: sealedText(readSealedText(event.sealed)?.name ?? '', secret, context, encrypted) } };
};

/** Every way to change a log, by its name. */
export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  flip,
  remove,
  reorder: moved,
  truncate,
  insert,
  'drop a stream': dropStream,
  duplicate,
  'replace payload': replacePayload,
  'swap two': swapTwo,
  fork,
  'roll back': rollBack,
  'key swap': swapKey,
};

/** The index of the first fact that is not what it was; null where all are. */
export const firstChange = (before: readonly BundledFact[], after: readonly BundledFact[]): number | null => {
  const length = Math.max(before.length, after.length);
  for (let at = 0; at < length; at += 1) {
    const [one, other] = [before[at], after[at]];
    if (one === undefined || other === undefined || leafOf(one.event) !== leafOf(other.event)) return at;
  }
  return null;
};

/** Numbers facts and revisions as if nothing had happened. */
export const renumbered = (facts: readonly BundledFact[]): BundledFact[] => {
  const revisions = new Map<string, number>();
  return facts.map((fact, index) => {
    const { stream } = fact.event;
    const revision = revisions.get(stream) ?? 0;
    revisions.set(stream, revision + 1);
    return { ...fact, index, event: { ...fact.event, revision } };
  });
};
