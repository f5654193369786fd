import type { Closing } from '../../domain/closing.ts';
import type { StoredEvent } from '../../domain/ports/event-store.ts';
import type { Archive } from './sqlite-archive.ts';
import type { FileReads } from './sqlite-statements.ts';

// So few at a time that nobody waits for it: a step takes some milliseconds, most of them for two commits.
const STREAMS = 32;
const LOOKED_AT = 256;
// A stream that is longer is moved in parts.
const MOST_EVENTS = 1000;

/** Moves streams that are over from a log to its archive. */
export interface Archiving {
  /** Moves a few streams, or a part of a long one, and tells whether there may be more. `at` is the time, in epoch seconds. */
  archiveSome(closing: Closing, at: number): boolean;
}

interface Files {
  /** The log without its archive. */
  log: FileReads;
  archive: Archive;
  /** Takes events out of the log, in one commit. */
  remove(events: readonly StoredEvent[]): void;
}

/**
 * One step. The events are in the archive, on the disk and read again, before they leave the log, and they leave it in one commit: wherever
 * it is interrupted, they are in both files or in the archive alone, and the next step goes on.
 */
export const makeArchiveSome =
  ({ log, archive, remove }: Files): Archiving['archiveSome'] =>
  (closing, at) => {
    const due = archive.due(at, STREAMS);
    const before = archive.lookedThrough();
    const { streams, position } = lookThrough(log.after(before, LOOKED_AT), { archive, closing, at, position: before, known: due });
    const { over, waiting } = sortOut(streams, { log, closing, at });
    archive.keep(over);
    remove(over);
    if (due.length > 0 || position > before) archive.record({ waiting, done: due, position });
    return due.length > 0 || position > before;
  };

/** What of these streams is over, as far as a step takes it; the other streams with when to look at them, and those of which there may be more. */
const sortOut = (
  streams: Iterable<string>,
  { log, closing, at }: { log: FileReads; closing: Closing; at: number },
): { over: readonly StoredEvent[]; waiting: ReadonlyMap<string, number> } => {
  const over: StoredEvent[] = [];
  const waiting = new Map<string, number>();
  let left = MOST_EVENTS;
  for (const stream of streams) {
    const events = log.first(stream, left);
    left -= events.length;
    const isWhole = left > 0;
    // A long stream that still goes on is known by its last event.
    const known = isWhole ? events : [...events, ...log.stream(stream, log.lastRevision(stream))];
    const from = known.length === 0 ? at : closing.overAt(known) + (closing.staysSeconds(stream) ?? 0);
    if (from <= at) for (const event of events) over.push(event);
    if (from > at || !isWhole) waiting.set(stream, Math.max(from, at));
  }
  return { over, waiting };
};

/** The streams of these events that may be over, and how far they were looked through: up to what is too young, or to as many as fit. */
const lookThrough = (
  events: readonly StoredEvent[],
  by: { archive: Archive; closing: Closing; at: number; position: number; known: readonly string[] },
): { streams: ReadonlySet<string>; position: number } => {
  const streams = new Set(by.known);
  let { position } = by;
  for (const { stream, recordedAt, position: next } of events) {
    if (recordedAt / 1000 > by.at - by.closing.soonestSeconds) break;
    if (by.closing.staysSeconds(stream) !== null && !streams.has(stream) && !by.archive.isWaiting(stream)) {
      if (streams.size >= STREAMS) break;
      streams.add(stream);
    }
    position = next;
  }
  return { streams, position };
};
