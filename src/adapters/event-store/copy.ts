import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { AppendTooLarge, type EventStore, type StoredEvent } from '../../domain/ports/event-store.ts';

const PAGE = 1000;
// So many events are surely less than what a store takes at once.
const MOST_AT_ONCE = 100;

/** A log from its start on, as far as it was looked at: how many events, and a SHA-256 over a line for each of them. */
export interface Seen {
  events: number;
  sha256: string;
}

/** What two logs have in common from their start on. */
export interface Common {
  source: Seen;
  target: Seen;
  /** Where the last common event stands in the source; 0 if there is none. */
  position: number;
  /** The first event of the source that the target does not hold yet, or null where it holds all of them. */
  missing: StoredEvent | null;
}

/** The target is not the beginning of the source, nor all of it. */
export class LogsDiffer extends Error {
  override name = 'LogsDiffer';
}

/** The target takes no append as large as one of the source; the first event of it is named. */
export class EventTooLarge extends Error {
  override name = 'EventTooLarge';
}

/**
 * Reads both logs from their start and compares them event by event, every member but the position. Throws `LogsDiffer`, which names the
 * first event that is not the same in both, or that only the target holds.
 */
export const compareLogs = async (source: EventStore, target: EventStore, progress: (done: number) => void): Promise<Common> => {
  const [ofSource, ofTarget] = [digest(), digest()];
  const copies = eventsBehind(target, 0);
  let position = 0;
  for await (const event of eventsBehind(source, 0)) {
    const { value: copy } = await copies.next();
    if (copy === undefined) return { source: ofSource.seen(), target: ofTarget.seen(), position, missing: event };
    if (ofSource.add(event) !== ofTarget.add(copy)) throw new LogsDiffer(difference(event, copy));
    position = event.position;
    progress(ofSource.count());
  }
  const { value: more } = await copies.next();
  if (more !== undefined) throw new LogsDiffer(`the target holds ${nameOf(more)}, and the source ends before it`);
  return { source: ofSource.seen(), target: ofTarget.seen(), position, missing: null };
};

/** Compares both logs and throws as well where the target ends before the source. */
export const proveEqual = async (
  source: EventStore,
  target: EventStore,
  progress: (done: number) => void,
): Promise<Pick<Common, 'source' | 'target'>> => {
  const { missing, ...seen } = await compareLogs(source, target, progress);
  if (missing !== null) throw new LogsDiffer(`the target does not hold ${nameOf(missing)} of the source`);
  return seen;
};

/**
 * Appends the events of the source behind a position, one append after the other in their order, so that it can go on where it was cut.
 * Events that were appended together are again. When an event was recorded goes with it, as far as the target takes that.
 */
export const copyEvents = async (
  source: EventStore,
  target: EventStore,
  afterPosition: number,
  progress: (copied: number) => void,
): Promise<number> => {
  let copied = 0;
  for (let at = afterPosition; ; ) {
    const page = await source.readAll(at, PAGE);
    const appends = appendsIn(page);
    // The last one of a full page may go on in the next.
    if (page.length === PAGE) appends.pop();
    for (const events of appends) {
      const [first] = events;
      await target.append(first.stream, events, first.revision - 1).catch((cause) => {
        throw cause instanceof AppendTooLarge ? new EventTooLarge(`${nameOf(first)} is more than it takes at once`, { cause }) : cause;
      });
      copied += events.length;
      progress(copied);
    }
    at = appends.at(-1)?.at(-1)?.position ?? at;
    if (page.length < PAGE) return copied;
  }
};

/** Events that stand behind one another, in the log and in one stream, and were recorded at one moment: as good as one append. */
const appendsIn = (page: readonly StoredEvent[]): [StoredEvent, ...StoredEvent[]][] => {
  const appends: [StoredEvent, ...StoredEvent[]][] = [];
  for (const event of page) {
    const append = appends.at(-1);
    const [first] = append ?? [];
    const goesOn = first?.stream === event.stream && first.recordedAt === event.recordedAt;
    if (append !== undefined && goesOn && append.length < MOST_AT_ONCE) append.push(event);
    else appends.push([event]);
  }
  return appends;
};

async function* eventsBehind(store: EventStore, position: number): AsyncGenerator<StoredEvent, undefined> {
  for (let at = position; ; ) {
    const page = await store.readAll(at, PAGE);
    yield* page;
    if (page.length < PAGE) return;
    at = page.at(-1)?.position ?? at;
  }
}

const withoutPosition = ({ position: _, ...members }: StoredEvent) => members;

const digest = () => {
  const sha256 = createHash('sha256');
  let events = 0;
  return {
    /** Adds the line of an event, and gives it. */
    add(event: StoredEvent): string {
      const line = `${canonicalize(withoutPosition(event))}\n`;
      sha256.update(line);
      events += 1;
      return line;
    },
    count: () => events,
    seen: (): Seen => ({ events, sha256: sha256.digest('hex') }),
  };
};

const nameOf = ({ position, type, stream, revision }: StoredEvent): string => `event ${position} (${type}, ${stream} revision ${revision})`;

/** Which event differs, and in what. What stands in it is not said: it may be anybody's business but a terminal's. */
const difference = (event: StoredEvent, copy: StoredEvent): string => {
  const [members, others]: Record<string, unknown>[] = [withoutPosition(event), withoutPosition(copy)];
  const names = [...new Set([...Object.keys(members ?? {}), ...Object.keys(others ?? {})])];
  const differing = names.filter((name) => canonicalize([members?.[name]]) !== canonicalize([others?.[name]]));
  return `${nameOf(event)} of the source is ${nameOf(copy)} in the target: they differ in ${differing.join(', ')}`;
};
