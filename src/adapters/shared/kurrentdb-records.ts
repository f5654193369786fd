import { inTurn } from '../in-turn.ts';
import { BESIDE_THE_LOG, isTombstoned, type Streams } from './kurrentdb-streams.ts';
import type { SharedRecord, SharedRecords } from './records.ts';

const TYPE = 'record';
// A page of the log may need a thousand keys at once.
const READS = 64;

/**
 * Records in streams of the cluster that holds the log, each in one of its own. Of one that is written again only the newest text is kept; the
 * name of one that was erased has a tombstone. The bytes of both go from the disks when the cluster is scavenged.
 */
export const kurrentdbRecords = (streams: Streams): SharedRecords => {
  const whenFree = inTurn(READS);
  return {
    async read(name) {
      const newest = await whenFree(() => unlessTombstoned(() => streams.newest(BESIDE_THE_LOG + name), undefined));
      if (newest === undefined) return null;
      const { text } = JSON.parse(newest.data) as Pick<SharedRecord, 'text'>;
      return { text, revision: newest.revision };
    },
    async write(name, text, expectedRevision) {
      const stream = BESIDE_THE_LOG + name;
      return unlessTombstoned(async () => {
        if (expectedRevision === 0) await streams.keepOnly(stream, { $maxCount: 1 });
        return streams.appendBehind(stream, TYPE, { text }, expectedRevision);
      }, false);
    },
    erase: (name) => unlessTombstoned(() => streams.tombstone(BESIDE_THE_LOG + name), undefined),
  };
};

const unlessTombstoned = async <T>(call: () => Promise<T>, otherwise: T): Promise<T> => {
  try {
    return await call();
  } catch (error) {
    if (isTombstoned(error)) return otherwise;
    throw error;
  }
};
