import { audit } from './audit/decider.ts';
import { authentication } from './authentication/decider.ts';
import { authorization } from './authorization/decider.ts';
import { cibaRequest } from './ciba-request/state.ts';
import { client } from './client/decider.ts';
import { consent } from './consent/decider.ts';
import type { Decider } from './decider.ts';
import { device } from './device/decider.ts';
import { eventNotification } from './event-notification/decider.ts';
import { eventSubscription } from './event-notification/subscription.ts';
import type { EventFamily, Recorded } from './events.ts';
import { grant } from './grant/decider.ts';
import type { Hashes } from './grant/hashes.ts';
import { notification } from './notification/decider.ts';
import type { StoredEvent } from './ports/event-store.ts';
import type { Sealed, Sealer } from './ports/sealer.ts';
import { psu } from './psu/decider.ts';
import { push } from './push/decider.ts';
import { signingKey } from './signing-key/decider.ts';

// biome-ignore lint/suspicious/noExplicitAny: any family; its own decider folds it
type AnyFamily = EventFamily<any>;
// biome-ignore lint/suspicious/noExplicitAny: any state; its own decider folds it
type AnyDecider = Decider<any, AnyFamily>;

const every: readonly AnyDecider[] = [
  client,
  device,
  consent,
  cibaRequest,
  grant,
  push,
  notification,
  signingKey,
  authorization,
  authentication,
  eventNotification,
  eventSubscription,
  audit,
  psu,
];

/** What folds the streams of each category. */
export const deciders: ReadonlyMap<string, AnyDecider> = new Map(every.map((decider) => [decider.events.category, decider]));

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** The log played again, fact after fact, through what decides on it. */
export interface Replay {
  /** Folds the next fact. Throws `UnreadableEvent` for one that this program does not know. */
  apply(event: StoredEvent): void;
  /** The state of a stream after all that was applied. */
  state(stream: string): Json;
  /** The streams of all that was applied. */
  streams(): Iterable<string>;
}

/**
 * Begins with nothing. States come as plain JSON: a personal part as null, or opened where there is a sealer. What a bearer could use stays
 * `withheld` then, and what was erased is `erased`.
 */
export const makeReplay = (sealer: Sealer | null = null): Replay => {
  const states = new Map<string, unknown>();
  const opening = new WeakMap<object, () => unknown>();
  const open = (sealed: Sealed): Json => {
    const personal = opening.get(sealed)?.();
    return personal === undefined ? null : personal === null ? 'erased' : withoutSecrets(personal as object);
  };
  return {
    apply(stored) {
      const { events, initial, evolve } = deciderOf(stored.stream);
      const event = events.decode(stored) as Recorded & { type: string; sealed: Sealed | null };
      const { type, sealed } = event;
      if (sealer !== null && sealed !== null) opening.set(sealed, () => events.open(type, sealed, sealer));
      states.set(stored.stream, evolve(states.has(stored.stream) ? states.get(stored.stream) : initial, event as never));
    },
    state: (stream) => plain(states.has(stream) ? states.get(stream) : deciderOf(stream).initial, open),
    streams: () => states.keys(),
  };
};

/** The state of each stream after the last of its facts. */
export const statesOf = (events: Iterable<StoredEvent>, sealer: Sealer | null = null): ReadonlyMap<string, Json> => {
  const replay = makeReplay(sealer);
  for (const event of events) replay.apply(event);
  return new Map([...replay.streams()].map((stream) => [stream, replay.state(stream)]));
};

const deciderOf = (stream: string): AnyDecider => {
  const decider = deciders.get(stream.slice(0, stream.indexOf('-')));
  if (decider === undefined) throw new TypeError(`${stream} is of no category that is known`);
  return decider;
};

// Whoever reads these could use them. That they were there is to be seen, what they were is not.
const SECRETS: ReadonlySet<string> = new Set(['authReqId', 'notificationToken', 'pushToken', 'challenge', 'response']);

/** A personal part, as somebody else may see it. */
export const withoutSecrets = (personal: object): Json =>
  Object.fromEntries(
    Object.entries(personal).map(([name, value]) => [name, SECRETS.has(name) && value !== null ? 'withheld' : (value as Json)]),
  );

const plain = (value: unknown, open: (sealed: Sealed) => Json): Json => {
  if (typeof value !== 'object' || value === null) return value as Json;
  if (isSealed(value)) return open(value);
  if (isHashes(value)) return listOf(value);
  if (Array.isArray(value)) return value.map((one) => plain(one, open));
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([name, member]) => [name, plain(member, open)]));
};

const isSealed = (value: object): value is Sealed => 'psuId' in value && 'context' in value && 'text' in value;

const isHashes = (value: object): value is Exclude<Hashes, null> => 'hash' in value && 'before' in value;

/** Oldest first. A chain of thousands is no JSON that anything could read. */
const listOf = (hashes: Hashes): string[] => {
  const list: string[] = [];
  for (let one = hashes; one !== null; one = one.before) list.push(one.hash);
  return list.reverse();
};
