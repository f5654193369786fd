import { createSecretKey, hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { sealingSubject } from '../../domain/events.ts';
import type { EventStore, StoredEvent } from '../../domain/ports/event-store.ts';
import type { SealedFor, SealingKeys } from '../../domain/ports/sealer.ts';
import { KeyErased } from '../../domain/psu/key-erased.ts';
import { keyNameIn, ONLY_KEY } from '../../domain/psu/retention.ts';
import { type Keyring, keyringOf, type WrappedKeys } from '../keys/keyring.ts';
import { newWrappedKey } from '../keys/psu-key.ts';
import { followPrepared } from './follow-prepared.ts';
import type { SharedRecord, SharedRecords } from './records.ts';

/** The PSUs' keys as all nodes share them, and a log whose events can be opened by them. */
export interface SharedPsuKeys extends SealingKeys {
  prepare(subjects: readonly SealedFor[]): Promise<void>;
  /** The same store; the keys that an event is sealed with are here before it is handed out. */
  keysFirst(store: EventStore): EventStore;
}

/** What a node has of a PSU's keys: as the record had them at a revision, or that all of them were erased. */
type Known = { keyring: Keyring; revision: number } | { keyring: null };

const KEPT = 50_000;
// What was not found is looked for again sooner.
const KNOWN_MS = 600_000;
const UNKNOWN_MS = 60_000;

/**
 * Keys in shared records, one record for each PSU: wrapped under the master key, which every node has. Of the latest ones a node keeps a copy in
 * memory, which counts for ten minutes, or until it is told to forget them: then the next event that is read looks for them again.
 */
export const sharedPsuKeys = (records: SharedRecords, master: Buffer, clock: { now(): number } = performance): SharedPsuKeys => {
  const masterKey = createSecretKey(master);
  // What has just been read can be opened, even where the time of its key ends in between.
  const here = new LRUCache<string, Known>({ max: KEPT, ttl: KNOWN_MS, noDeleteOnStaleGet: true, perf: clock });
  const fetching = new Map<string, Promise<void>>();

  const keep = (psuId: string, { text, revision }: SharedRecord) => {
    // Who was told to forget all of a PSU does not take in what was on its way.
    if (here.get(psuId)?.keyring !== null) here.set(psuId, { keyring: keyringOf(masterKey, psuId, wrappedIn(text)), revision });
  };

  const fetch = async (psuId: string): Promise<void> => {
    const record = await records.read(recordOfPsuKey(psuId));
    if (record !== null) keep(psuId, record);
  };

  const fetched = (psuId: string): Promise<void> => {
    const underWay = fetching.get(psuId);
    if (underWay !== undefined) return underWay;
    const arriving = fetch(psuId).finally(() => fetching.delete(psuId));
    fetching.set(psuId, arriving);
    return arriving;
  };

  const isHere = (psuId: string, name: string): boolean => {
    const known = here.get(psuId);
    return known !== undefined && (known.keyring === null || known.keyring.wrapped.has(name));
  };

  /** Brings the keys here that events were sealed with, or that they were erased. */
  const bring = async (psuId: string, names: readonly string[]): Promise<void> => {
    const areHere = () => names.every((name) => isHere(psuId, name));
    await fetched(psuId);
    if (areHere()) return;
    // Somebody may have asked for it before it was made. When the event is here and the key is not, it was erased.
    await fetch(psuId);
    if (!areHere() && here.get(psuId) === undefined) here.set(psuId, { keyring: null }, { ttl: UNKNOWN_MS });
  };

  /** Changes the record of a PSU, as it stands now. Gives false where it was erased. */
  const change = async (psuId: string, to: (wrapped: WrappedKeys) => WrappedKeys | null): Promise<boolean> => {
    for (;;) {
      const name = recordOfPsuKey(psuId);
      const before = await records.read(name);
      const after = to(wrappedIn(before?.text ?? '{}'));
      if (after !== null) {
        const record = { text: textOf(after), revision: (before?.revision ?? -1) + 1 };
        if (await records.write(name, record.text, record.revision - 1)) {
          keep(psuId, record);
          return true;
        }
        // Another node was first, or there will never be any.
        if (before === null && (await records.read(name)) === null) return false;
      } else if (before !== null) {
        keep(psuId, before);
        return true;
      } else return false;
    }
  };

  const make = async (subject: SealedFor): Promise<void> => {
    const { psuId } = subject;
    const isThere = await change(psuId, (wrapped) => {
      const name = keyringOf(masterKey, psuId, wrapped).nameFor(subject);
      return wrapped.has(name) ? null : new Map([...wrapped, [name, newWrappedKey(masterKey, psuId, name)]]);
    });
    if (!isThere) throw new KeyErased();
  };

  const keysOf = async (events: readonly StoredEvent[]): Promise<void> => {
    const missing = new Map<string, string[]>();
    for (const event of events) {
      if (event.sealed === null) continue;
      const [psuId, name] = [subjectOf(event), keyNameIn(event.sealed)];
      // To ask for it makes it one of the latest: those that come now do not drive it out.
      if (!isHere(psuId, name)) missing.set(psuId, [...(missing.get(psuId) ?? []), name]);
    }
    await Promise.all([...missing].map(([psuId, names]) => bring(psuId, names)));
  };

  const withKeys = async (events: Promise<readonly StoredEvent[]>): Promise<readonly StoredEvent[]> => {
    await keysOf(await events);
    return events;
  };

  const keyringFor = (psuId: string): Keyring | null => {
    const found = here.get(psuId, { allowStale: true });
    if (found === undefined) throw new Error('the key of a PSU has left this node: read their events again');
    return found.keyring;
  };

  return {
    async prepare(subjects) {
      for (const subject of subjects) {
        const { psuId } = subject;
        if (here.get(psuId)?.keyring === null) throw new KeyErased();
        const isReady = () => here.get(psuId)?.keyring?.isReady(subject) ?? false;
        if (!isReady()) await fetched(psuId);
        if (!isReady()) await make(subject);
      }
    },
    seal(subject, plaintext, context) {
      const keyring = keyringFor(subject.psuId);
      if (keyring === null) throw new KeyErased();
      return keyring.seal(keyring.nameFor(subject), plaintext, context);
    },
    open: (sealed) => keyringFor(sealed.psuId)?.open(sealed) ?? null,
    eventKey: (sealed) => keyringFor(sealed.psuId)?.eventKey(sealed) ?? null,
    async erase(psuId) {
      await records.erase(recordOfPsuKey(psuId));
      here.set(psuId, { keyring: null });
    },
    async destroy(keys) {
      for (const [psuId, names] of Map.groupBy(keys, (key) => key.psuId))
        await change(psuId, (wrapped) => {
          const left = names.filter(({ name }) => typeof wrapped.get(name) === 'string');
          return left.length === 0 ? null : new Map([...wrapped, ...left.map(({ name }) => [name, null] as const)]);
        });
    },
    forget(psuId, names) {
      // What is in the record may be destroyed only after this was told: it is not looked at again.
      if (names === 'all') here.set(psuId, { keyring: null }, { ttl: 0 });
      else {
        const known = here.get(psuId);
        if (known?.keyring != null) here.set(psuId, { ...known, keyring: known.keyring.without(names) });
      }
    },
    keysFirst: (store) => ({
      ...store,
      read: (stream, fromRevision) => withKeys(store.read(stream, fromRevision)),
      readAll: (afterPosition, limit) => withKeys(store.readAll(afterPosition, limit)),
      follow: (afterPosition) => followPrepared(store, afterPosition, keysOf),
    }),
  };
};

/** The keyring in a record: JSON, or the one wrapped key that PSUs had before. */
export const wrappedIn = (text: string): WrappedKeys =>
  new Map(text.startsWith('{') ? Object.entries(JSON.parse(text)) : [[ONLY_KEY, text]]);

/** A keyring as the text of a record. */
export const textOf = (wrapped: WrappedKeys): string => JSON.stringify(Object.fromEntries(wrapped));

/** The name of the record that holds a PSU's key: their id may be any text, and is nobody's business. */
export const recordOfPsuKey = (psuId: string): string => `psu-key-${hash('sha256', psuId, 'base64url')}`;

const subjectOf = ({ stream, data }: StoredEvent): string => {
  const border = stream.indexOf('-');
  return sealingSubject(stream.slice(0, border), stream.slice(border + 1), JSON.parse(data));
};
