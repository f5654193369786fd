import { Subject } from 'rxjs';

/** An event as a KurrentDB server keeps it. */
export interface Entry {
  position: number;
  /** Where it ends, and the one behind it begins. */
  end: number;
  stream: string;
  revision: number;
  id: string;
  type: string;
  contentType: string;
  data: Uint8Array;
  metadata: Uint8Array;
  /** Epoch milliseconds. */
  created: number;
}

/** An event as a client sends it. */
export type Proposed = Pick<Entry, 'id' | 'type' | 'contentType' | 'data' | 'metadata'>;

/** The revision that an append expects, or one of the words that stand for more than one. */
export type Expected = number | 'any' | 'no_stream' | 'stream_exists';

/** What became of an append. */
export type Outcome = { kept: Entry; repeated?: true } | { wrong: number } | { deleted: true };

/** The log of a cluster, shared by its nodes. */
export interface ServerLog {
  append(stream: string, expected: Expected, events: readonly Proposed[]): Outcome;
  /** The stream is gone for ever. */
  tombstone(stream: string, expected: Expected): Outcome;
  /** What a read of the stream shows: null where there is no such stream. */
  visible(stream: string): readonly Entry[] | null;
  isDeleted(stream: string): boolean;
  /** Everything, also what the server writes for itself. */
  all(): readonly Entry[];
  /** What was written, append by append. */
  commits: Subject<readonly Entry[]>;
}

/** The stream that holds the metadata of a stream. */
export const metadataStream = (stream: string): string => `$$${stream}`;

/** Writes metadata of a stream as other programs do. */
export const metadataOf = ({ log }: { log: ServerLog }, stream: string, metadata: object): Outcome => {
  const event = { id: crypto.randomUUID(), type: '$metadata', contentType: 'application/json', data: text(metadata) };
  return log.append(metadataStream(stream), 'any', [{ ...event, metadata: text({}) }]);
};

/** What `$tb` says of a stream that was deleted but can begin again. */
export const DELETED = Number.MAX_SAFE_INTEGER;

const text = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

/**
 * A log as a server has it: a position is a place in bytes, with the server's own events before and between those of its clients. A repeated
 * append is known by its ids behind the expected revision.
 */
export const serverLog = ({ now = Date.now, begin = 0 }: { now?: () => number; begin?: number } = {}): ServerLog => {
  const log: Entry[] = [];
  const streams = new Map<string, Entry[]>();
  const deleted = new Set<string>();
  const commits = new Subject<readonly Entry[]>();
  let end = begin;

  const write = (stream: string, proposed: readonly Proposed[]): Entry[] => {
    const past = streams.get(stream) ?? [];
    const entries = proposed.map((event, index): Entry => {
      const position = end;
      end += 97 + stream.length + event.data.length + event.metadata.length;
      return { ...event, stream, revision: past.length + index, position, end, created: now() };
    });
    streams.set(stream, past);
    past.push(...entries);
    log.push(...entries);
    commits.next(entries);
    return entries;
  };

  const writeForItself = (stream: string, type: string, data: unknown) =>
    write(stream, [{ id: crypto.randomUUID(), type, contentType: 'application/json', data: text(data), metadata: text({}) }]);

  /** The place of an append that is a repetition of one that was kept. */
  const repeated = (past: readonly Entry[], expected: number, events: readonly Proposed[]): Entry | undefined => {
    const behind = past.slice(expected + 1, expected + 1 + events.length);
    return events.every(({ id }, index) => behind[index]?.id === id) ? behind.at(-1) : undefined;
  };

  const check = (stream: string, expected: Expected, events: readonly Proposed[]): Outcome | null => {
    const past = streams.get(stream) ?? [];
    const current = past.length - 1;
    if (deleted.has(stream)) return { deleted: true };
    if (expected === 'any') return null;
    if (expected === 'stream_exists') return current >= 0 ? null : { wrong: current };
    const exact = expected === 'no_stream' ? -1 : expected;
    if (exact === current) return null;
    const kept = exact < current ? repeated(past, exact, events) : undefined;
    return kept === undefined ? { wrong: current } : { kept, repeated: true };
  };

  writeForItself('$settings', 'update', { $userStreamAcl: {} });
  return {
    append(stream, expected, events) {
      const refused = check(stream, expected, events);
      if (refused !== null) return refused;
      if (log.length % 3 === 0) writeForItself('$stats-127.0.0.1:2113', '$statsCollected', { 'proc-id': 1 });
      return { kept: write(stream, events).at(-1) as Entry };
    },
    tombstone(stream, expected) {
      const refused = check(stream, expected, []);
      if (refused !== null) return refused;
      const [kept] = writeForItself(stream, '$streamDeleted', {});
      deleted.add(stream);
      return { kept: kept as Entry };
    },
    visible(stream) {
      const entries = streams.get(stream);
      const metadata = streams.get(metadataStream(stream))?.at(-1);
      const limits = JSON.parse(metadata === undefined ? '{}' : Buffer.from(metadata.data).toString());
      const { $maxCount = Number.POSITIVE_INFINITY, $maxAge = Number.POSITIVE_INFINITY, $tb = 0 } = limits;
      const [least, since] = [(entries?.length ?? 0) - $maxCount, now() - $maxAge * 1000];
      const shown = entries?.filter(({ revision, created }) => revision >= $tb && revision >= least && created > since) ?? [];
      return entries === undefined || $tb === DELETED ? (shown.length > 0 ? shown : null) : shown;
    },
    isDeleted: (stream) => deleted.has(stream),
    all: () => log,
    commits,
  };
};
