import { randomUUID } from 'node:crypto';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import pb, { type TombstoneReq, type TombstoneResp } from '@eventstore/db-client/generated/streams_pb.js';
import { type NewEvent, RevisionConflict, type StoredEvent } from '../../domain/ports/event-store.ts';
import { ATTEMPTS_LAST } from '../event-store/kurrentdb.ts';
import { makeAppend, sending } from '../event-store/kurrentdb-append.ts';
import type { Call, Connection } from '../event-store/kurrentdb-connection.ts';
import { toMessage, toStored } from '../event-store/kurrentdb-envelope.ts';
import { backwards, identifierOf, newestOf, ofStream, reading } from '../event-store/kurrentdb-read.ts';
import { retried } from '../event-store/kurrentdb-retry.ts';

/** What the names of all streams beside the log begin with: no category does. */
export const BESIDE_THE_LOG = 'countersign.';

/** Streams beside the log: what stands in them is no fact. */
export type Streams = ReturnType<typeof streamsOver>;

/** Streams of a cluster, under the names that they have there. Each call is repeated until it is answered, or `StoreUnavailable`. */
export const streamsOver = (connection: Connection, deadlineMs: number) => {
  const until = () => Date.now() + ATTEMPTS_LAST * deadlineMs;
  const readRecorded = (request: Parameters<typeof reading>[0]) => connection.call(deadlineMs, reading(request));
  const readOnce = async (request: Parameters<typeof reading>[0]): Promise<StoredEvent[]> => (await readRecorded(request)).map(toStored);
  const readPart = (stream: string, fromRevision: number, count: number) => readOnce(ofStream(stream, fromRevision, count));
  const append = makeAppend({ connection, deadlineMs, readPart: (...part) => readRecorded(ofStream(...part)) });

  return {
    /** Where the newest event of everything stands that the cluster holds. */
    end: (): Promise<number> =>
      retried(until(), async () => {
        const [event] = await connection.call(deadlineMs, reading(backwards(null, 1)));
        return Number(event?.getCommitPosition() ?? 0);
      }),
    newest: (stream: string): Promise<StoredEvent | undefined> => retried(until(), async () => (await readOnce(newestOf(stream)))[0]),
    read: (stream: string, fromRevision: number, count: number) => retried(until(), () => readPart(stream, fromRevision, count)),
    /** False where the newest event is another. */
    async appendBehind(stream: string, type: string, data: object, expectedRevision: number): Promise<boolean> {
      try {
        await append(stream, [eventOf(type, data)], expectedRevision, until());
        return true;
      } catch (error) {
        if (error instanceof RevisionConflict) return false;
        throw error;
      }
    },
    /** Behind whatever stands there. */
    async append(stream: string, type: string, data: object): Promise<void> {
      const options = new pb.AppendReq.Options().setStreamIdentifier(identifierOf(stream)).setAny(new shared.Empty());
      const messages = [new pb.AppendReq().setOptions(options), toMessage(eventOf(type, data))];
      await retried(until(), () => connection.call(deadlineMs, sending(messages)));
    },
    /** Says how long, or how many, events of a stream are kept; what was said first stays. */
    async keepOnly(stream: string, limits: { $maxCount: number } | { $maxAge: number }): Promise<void> {
      await this.appendBehind(`$$${stream}`, '$metadata', limits, -1);
    },
    async tombstone(stream: string): Promise<void> {
      await retried(until(), () => connection.call(deadlineMs, tombstoning(stream)));
    },
  };
};

/** Whether a call failed because the stream has a tombstone. */
export const isTombstoned = (error: unknown): boolean => {
  const { metadata } = error as { metadata?: { get?(name: string): unknown[] } };
  return metadata?.get?.('exception')[0] === 'stream-deleted';
};

const eventOf = (type: string, data: object): NewEvent => ({
  id: randomUUID(),
  type,
  version: 1,
  actor: { kind: 'engine', id: 'node' },
  correlationId: type,
  causationId: null,
  data: JSON.stringify(data),
  sealed: null,
});

const tombstoning = (stream: string): Call<TombstoneResp> => {
  const options = new pb.TombstoneReq.Options().setStreamIdentifier(identifierOf(stream)).setAny(new shared.Empty());
  const request: TombstoneReq = new pb.TombstoneReq().setOptions(options);
  return (streams, args) =>
    new Promise((resolve, reject) => {
      streams.tombstone(request, ...args, (error, response) => (error === null ? resolve(response) : reject(error)));
    });
};
