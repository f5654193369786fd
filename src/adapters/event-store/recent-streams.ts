import type { StoredEvent } from '../../domain/ports/event-store.ts';

const MOST_STREAMS = 4096;
const MOST_EVENTS = 64;

/** The streams that were written or read last, whole. It is right for the one writer of a log, who keeps in it what it writes. */
export const recentStreams = () => {
  let recent = new Map<string, readonly StoredEvent[]>();
  let older: typeof recent = new Map();
  return {
    get: (stream: string): readonly StoredEvent[] | undefined => recent.get(stream) ?? older.get(stream),
    /** Keeps a stream as it stands now; one that is long is read again each time. */
    keep(stream: string, events: readonly StoredEvent[]) {
      if (events.length <= MOST_EVENTS) recent.set(stream, events);
      else for (const streams of [recent, older]) streams.delete(stream);
      if (recent.size < MOST_STREAMS) return;
      older = recent;
      recent = new Map();
    },
    clear() {
      recent.clear();
      older.clear();
    },
  };
};
