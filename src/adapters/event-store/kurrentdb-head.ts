import type { Connection } from './kurrentdb-connection.ts';
import { positionOf, type Recorded, streamOf } from './kurrentdb-envelope.ts';
import { backwards, looking, ofAll, ofCategories, type Place, reading } from './kurrentdb-read.ts';
import { retried } from './kurrentdb-retry.ts';

/** Where the newest event of the log stands. */
export interface Head {
  /** Everything that was committed before the call began counts. What ends in time is made by `make`. */
  find(make?: <T>(call: () => Promise<T>) => Promise<T>): Promise<number>;
  /** From where the events behind a position can be read: between the two stands none. */
  readFrom(afterPosition: number): number;
}

interface Looking {
  connection: Connection;
  deadlineMs: number;
  /** A call goes on for so long, or for as long as it gets further. */
  lastsMs: number;
  categories: readonly string[];
  /** Throws when it is to look back no further. */
  goOn(): void;
}

// What one attempt reads.
const PART = 250;

/**
 * Finds it, however much of others stands behind it: a cluster that is asked for the newest event that a filter selects looks through all of
 * that, each time. So it is kept up to where the cluster was searched, and from there a call reads on. The first one goes back from the end,
 * part by part; so does the one behind a call that failed, for it may be that what had come was more than can be read on through in time.
 */
export const makeHead = ({ connection, deadlineMs, lastsMs, categories, goOn }: Looking): Head => {
  const filter = ofCategories(categories);
  // From the event at `head` on nothing of the log stands up to `searched`; the one before says the same of an older event.
  let known = { head: 0, searched: 0 };
  let before = known;
  let isBehind = true;
  let lookingBack: Promise<void> | undefined;

  const isOurs = (event: Recorded) => {
    const stream = streamOf(event);
    return categories.some((category) => stream.startsWith(`${category}-`));
  };

  const keep = (head: number, searched: number) => {
    if (head > known.head) {
      before = known;
      known = { head, searched: head };
    }
    if (searched > known.searched) known = { ...known, searched };
  };

  const lookBack = async () => {
    const lookBefore = (place: Place | null) =>
      retried(Date.now() + lastsMs, async () => {
        goOn();
        return connection.call(deadlineMs, looking(backwards(place, PART), isOurs));
      });
    let looked = await lookBefore(null);
    const end = looked.newest?.commit ?? 0;
    while (looked.found === null && looked.oldest !== null && looked.oldest.commit > known.searched)
      looked = await lookBefore(looked.oldest);
    if (looked.found !== null) keep(placeOf(looked.found), 0);
    keep(0, end);
    isBehind = false;
  };

  const readOn = async (): Promise<number> => {
    goOn();
    const [newest] = await connection.call(deadlineMs, reading(backwards(null, 1)));
    if (newest === undefined) return known.head;
    if (isOurs(newest)) keep(placeOf(newest), 0);
    const end = Number(newest.getCommitPosition());
    while (known.searched < end) {
      const part = await connection.call(deadlineMs, reading(ofAll(known.searched, PART, filter)));
      const last = part.at(-1);
      if (last !== undefined) keep(placeOf(last), 0);
      if (part.length < PART) keep(0, end);
    }
    return known.head;
  };

  const readOnInTime = async (): Promise<number> => {
    try {
      return await retried(Date.now() + lastsMs, readOn);
    } catch (error) {
      isBehind = true;
      throw error;
    }
  };

  return {
    async find(make = (call) => call()) {
      if (isBehind) {
        lookingBack ??= lookBack().finally(() => {
          lookingBack = undefined;
        });
        await lookingBack;
      }
      return make(readOnInTime);
    },
    readFrom: (afterPosition) => [known, before].find(({ head }) => head === afterPosition)?.searched ?? afterPosition,
  };
};

const placeOf = (event: Recorded): number => positionOf(event.getCommitPosition(), event.getPreparePosition());
