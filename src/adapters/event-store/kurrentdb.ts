import { AsyncSubject, takeUntil } from 'rxjs';
import { type EventStore, type StoredEvent, StoreStopped } from '../../domain/ports/event-store.ts';
import { addressIn, WrongConnectionString } from './kurrentdb-address.ts';
import { makeAppend } from './kurrentdb-append.ts';
import { limitedCalls } from './kurrentdb-calls.ts';
import { Connection } from './kurrentdb-connection.ts';
import { toStored } from './kurrentdb-envelope.ts';
import { makeFollow } from './kurrentdb-follow.ts';
import { makeHead } from './kurrentdb-head.ts';
import { ofAll, ofCategories, ofStream, reading } from './kurrentdb-read.ts';
import { retried } from './kurrentdb-retry.ts';

/** What is to be known of a cluster to keep the log in it. */
export interface KurrentdbSettings {
  connectionString: string;
  /** The authorities that its certificates are trusted by, as PEM; the usual ones if null. */
  ca: Buffer | null;
  /** Instead of those in the connection string. */
  credentials: { username: string; password: string } | null;
  /** Whether a connection in the open is refused. */
  requireTls: boolean;
  /** What one attempt of a call may take. */
  deadlineMs: number;
  /** The calls that may be under way at once; as many may wait. */
  maxInFlight: number;
  /** The categories whose streams are the log: whatever else the cluster holds is not seen. */
  categories: readonly string[];
}

/** A call goes on for so many deadlines: a cluster that has lost its leader has a new one within some seconds. */
export const ATTEMPTS_LAST = 4;
// What one attempt reads: so much comes in time, also where events are large and the way is long.
const PART = 250;

/**
 * The log in a KurrentDB cluster: a stream per aggregate, everything decided and read at the leader. Any number of nodes share it.
 * Positions grow with gaps. `recordedAt` is what the leader's clock said, which another leader's clock may be behind.
 * A call whose outcome is unknown is repeated until it is known, or `StoreUnavailable`: it does not stop the store.
 */
export const kurrentdbEventStore = (settings: KurrentdbSettings): EventStore => {
  const { deadlineMs, maxInFlight, categories } = settings;
  const connection = connectionTo(settings);
  const filter = ofCategories(categories);
  const calls = limitedCalls(maxInFlight);
  const closed = new AsyncSubject<void>();
  let stopped: StoreStopped | null = null;

  /** Makes a call that has to end in time, however many attempts it takes. */
  const making = <T>(call: (until: number) => Promise<T>): Promise<T> => {
    if (stopped !== null) return Promise.reject(stopped);
    const until = Date.now() + ATTEMPTS_LAST * deadlineMs;
    return calls.make(() => call(until));
  };

  const readRecorded = (request: Parameters<typeof reading>[0]) => connection.call(deadlineMs, reading(request));
  const readOnce = async (request: Parameters<typeof reading>[0]): Promise<StoredEvent[]> => (await readRecorded(request)).map(toStored);
  const readPart = (stream: string, fromRevision: number, count: number) => readOnce(ofStream(stream, fromRevision, count));
  const goOn = () => {
    if (stopped !== null) throw stopped;
  };
  const head = makeHead({ connection, deadlineMs, lastsMs: ATTEMPTS_LAST * deadlineMs, categories, goOn });
  const append = makeAppend({ connection, deadlineMs, readPart: (...part) => readRecorded(ofStream(...part)) });
  const follow = makeFollow({ connection, filter, checkMs: deadlineMs, head: head.find });

  const readStream = async (stream: string, fromRevision: number, until: number): Promise<StoredEvent[]> => {
    const events: StoredEvent[] = [];
    for (let from = fromRevision; ; from = (events.at(-1)?.revision ?? 0) + 1) {
      const part = await retried(until, () => readPart(stream, from, PART));
      events.push(...part);
      if (part.length < PART) return events;
    }
  };

  const readBehind = async (afterPosition: number, limit: number, until: number): Promise<StoredEvent[]> => {
    const events: StoredEvent[] = [];
    for (let at = afterPosition; events.length < limit; at = events.at(-1)?.position ?? at) {
      const wanted = Math.min(limit - events.length, PART);
      // A read begins with what stands at the position; at the beginning nothing of ours does.
      const count = at === 0 ? wanted : wanted + 1;
      const part = await retried(until, () => readOnce(ofAll(head.readFrom(at), count, filter)));
      events.push(...part.filter(({ position }) => position > at).slice(0, wanted));
      if (part.length < count) break;
    }
    return events;
  };

  return {
    async append(stream, events, expectedRevision) {
      if (events.length === 0) throw new TypeError('an append needs an event');
      return making((until) => append(stream, events, expectedRevision, until));
    },
    read: (stream, fromRevision = 0) => making((until) => readStream(stream, fromRevision, until)),
    readAll: (afterPosition, limit) => making((until) => readBehind(afterPosition, limit, until)),
    // How long it looks back is not known: that takes no place among the calls that end in time.
    head: () => head.find(making),
    follow: (afterPosition) => follow(afterPosition).pipe(takeUntil(closed)),
    pressure: calls.pressure,
    async close() {
      stopped ??= new StoreStopped('it was closed');
      closed.next();
      closed.complete();
      await calls.ended();
      connection.close();
    },
  };
};

/** A connection to the cluster of the settings. */
export const connectionTo = (settings: KurrentdbSettings): Connection => new Connection(addressOf(settings), settings.ca);

const addressOf = ({ connectionString, credentials, requireTls }: KurrentdbSettings) => {
  const address = addressIn(connectionString);
  if (requireTls && !address.tls) throw new WrongConnectionString('tls=false is for development only');
  return { ...address, credentials: credentials ?? address.credentials };
};
