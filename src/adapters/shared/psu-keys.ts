import { createSecretKey, hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { sealingSubject } from '../../domain/events.ts';
import type { EventStore, StoredEvent } from '../../domain/ports/event-store.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { newWrappedKey, openWith, type PsuKey, sealWith, unwrapped } from '../keys/psu-key.ts';
import { followPrepared } from './follow-prepared.ts';
import type { SharedRecords } from './records.ts';

/** The PSUs' keys as all nodes share them, and a log whose events can be opened by them. */
export interface SharedPsuKeys extends Sealer {
  prepare(psuIds: readonly string[]): Promise<void>;
  /** The same store; the keys that an event is sealed with are here before it is handed out. */
  keysFirst(store: EventStore): EventStore;
}

const KEPT = 50_000;
// One that was not found is looked for again sooner.
const KNOWN_MS = 600_000;
const UNKNOWN_MS = 60_000;

/** A PSU was erased: nothing can be sealed for them any more. */
export class KeyErased extends Error {
  constructor() {
    super('the key of this PSU was erased');
    this.name = 'KeyErased';
  }
}

/**
 * Keys in shared records, wrapped under the master key, which every node has. Of the latest ones a node keeps a copy in memory, which counts for
 * ten minutes: then the next event that is read looks for it again. For so long a key that was erased elsewhere may still open and seal here.
 */
export const sharedPsuKeys = (records: SharedRecords, master: Buffer, clock: { now(): number } = performance): SharedPsuKeys => {
  const masterKey = createSecretKey(master);
  // What has just been read can be opened, even where the time of its key ends in between.
  const here = new LRUCache<string, { key: PsuKey | null }>({ max: KEPT, ttl: KNOWN_MS, noDeleteOnStaleGet: true, perf: clock });
  const fetching = new Map<string, Promise<void>>();

  const keep = (psuId: string, wrapped: string) => void here.set(psuId, { key: unwrapped(masterKey, psuId, wrapped) });

  const fetch = async (psuId: string): Promise<void> => {
    const record = await records.read(recordOfPsuKey(psuId));
    if (record !== null) keep(psuId, record.text);
  };

  const fetched = (psuId: string): Promise<void> => {
    const underWay = fetching.get(psuId);
    if (underWay !== undefined) return underWay;
    const arriving = fetch(psuId).finally(() => fetching.delete(psuId));
    fetching.set(psuId, arriving);
    return arriving;
  };

  /** Brings a key here that an event was sealed with, or that it was erased. */
  const bring = async (psuId: string): Promise<void> => {
    await fetched(psuId);
    if (here.has(psuId)) return;
    // Somebody may have asked for it before it was made. When the event is here and the key is not, it was erased.
    await fetch(psuId);
    if (!here.has(psuId)) here.set(psuId, { key: null }, { ttl: UNKNOWN_MS });
  };

  const make = async (psuId: string): Promise<void> => {
    const wrapped = newWrappedKey(masterKey, psuId);
    if (await records.write(recordOfPsuKey(psuId), wrapped, -1)) return keep(psuId, wrapped);
    // Another node was first, or the PSU was erased.
    const record = await records.read(recordOfPsuKey(psuId));
    if (record === null) throw new KeyErased();
    keep(psuId, record.text);
  };

  const keysOf = async (events: readonly StoredEvent[]): Promise<void> => {
    const missing = new Set<string>();
    for (const event of events) {
      const psuId = event.sealed === null ? null : subjectOf(event);
      // To get it makes it one of the latest: those that come now do not drive it out.
      if (psuId !== null && here.get(psuId) === undefined) missing.add(psuId);
    }
    await Promise.all([...missing].map(bring));
  };

  const withKeys = async (events: Promise<readonly StoredEvent[]>): Promise<readonly StoredEvent[]> => {
    await keysOf(await events);
    return events;
  };

  const keyOf = (psuId: string): PsuKey | null => {
    const found = here.get(psuId, { allowStale: true });
    if (found === undefined) throw new Error('the key of a PSU has left this node: read their events again');
    return found.key;
  };

  return {
    async prepare(psuIds) {
      for (const psuId of psuIds) {
        if (here.get(psuId)?.key != null) continue;
        await fetched(psuId);
        if (here.get(psuId)?.key == null) await make(psuId);
      }
    },
    seal(psuId, plaintext, context) {
      const key = keyOf(psuId);
      if (key === null) throw new KeyErased();
      return sealWith(key, plaintext, context);
    },
    open({ psuId, text, context }) {
      const key = keyOf(psuId);
      return key === null ? null : openWith(key, text, context);
    },
    keysFirst: (store) => ({
      ...store,
      read: (stream, fromRevision) => withKeys(store.read(stream, fromRevision)),
      readAll: (afterPosition, limit) => withKeys(store.readAll(afterPosition, limit)),
      follow: (afterPosition) => followPrepared(store, afterPosition, keysOf),
    }),
  };
};

/** The name of the record that holds a PSU's key: their id may be any text, and is nobody's business. */
export const recordOfPsuKey = (psuId: string): string => `psu-key-${hash('sha256', psuId, 'base64url')}`;

const subjectOf = ({ stream, data }: StoredEvent): string => {
  const border = stream.indexOf('-');
  return sealingSubject(stream.slice(0, border), stream.slice(border + 1), JSON.parse(data));
};
