import type { ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import type { Page, StoredEvent } from '../../domain/ports/event-store.ts';
import { toStored } from './kurrentdb-envelope.ts';
import type { Place } from './kurrentdb-read.ts';

const PAGE_SIZE = 1000;
// More than can have been on the way when a subscription was cut.
const REMEMBERED = 10_000;

/** What a subscription shows, made into pages. */
export interface Pages {
  /** Throws at an event that comes out of order or cannot be read. */
  take(response: ReadResp): void;
  /** The subscription was cut: until the next one says otherwise, there may be newer events. */
  cut(): void;
  /** At the time of asking the newest event stood at this position. */
  headWas(head: number): void;
  /** The position of the newest event that was taken. */
  position(): number;
  /** Up to where the log was seen, which is where the next subscription begins. */
  seen(): Place;
}

/** Shows pages of the events behind a position, each event once and in order. What comes in one turn of the event loop shares a page. */
export const makePages = (afterPosition: number, show: (page: Page) => void): Pages => {
  let recent = new Set([afterPosition]);
  let older: typeof recent = new Set();
  let position = afterPosition;
  let seen: Place = placeOf(afterPosition);
  let events: StoredEvent[] = [];
  let caughtUp = false;
  let told = false;
  let scheduled = false;

  const flush = () => {
    scheduled = false;
    if (events.length === 0 && (told || !caughtUp)) return;
    const page = { events, position, caughtUp };
    events = [];
    told = caughtUp;
    show(page);
  };

  const flushSoon = () => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(flush);
  };

  const takeEvent = (event: StoredEvent) => {
    // A server may show again what it had shown: at its least once every event comes.
    if (recent.has(event.position) || older.has(event.position)) return;
    if (event.position <= position) throw new Error(`the log shows event ${event.position} behind event ${position}`);
    if (recent.size === REMEMBERED) {
      older = recent;
      recent = new Set();
    }
    recent.add(event.position);
    position = event.position;
    if (position >= seen.commit) seen = placeOf(position);
    events.push(event);
    if (events.length === PAGE_SIZE) flush();
    else flushSoon();
  };

  const setCaughtUp = () => {
    caughtUp = true;
    flushSoon();
  };

  return {
    take(response) {
      const recorded = response.getEvent()?.getEvent();
      const checkpoint = response.getCheckpoint();
      if (recorded !== undefined) takeEvent(toStored(recorded));
      else if (checkpoint !== undefined) {
        const commit = Number(checkpoint.getCommitPosition());
        // While the past is looked through its second half is less than the first: it goes back as it came.
        if (commit > seen.commit) seen = { commit, prepare: Number(checkpoint.getPreparePosition()) };
      }
      if (response.hasCaughtUp()) setCaughtUp();
      else if (response.hasFellBehind()) caughtUp = false;
    },
    cut() {
      caughtUp = false;
      told = false;
    },
    headWas(head) {
      if (!caughtUp && position >= head) setCaughtUp();
    },
    position: () => position,
    seen: () => seen,
  };
};

const placeOf = (position: number): Place => ({ commit: position, prepare: position });
