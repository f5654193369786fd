import shared from '@eventstore/db-client/generated/shared_pb.js';
import pb, { type AppendReq, type AppendResp } from '@eventstore/db-client/generated/streams_pb.js';
import { type Appended, AppendTooLarge, type NewEvent, RevisionConflict } from '../../domain/ports/event-store.ts';
import type { Call, Connection } from './kurrentdb-connection.ts';
import { positionOf, type Recorded, toMessage } from './kurrentdb-envelope.ts';
import { identifierOf } from './kurrentdb-read.ts';
import { exceptionOf, retried } from './kurrentdb-retry.ts';

// Of an append, and of one event in it.
const TOO_LARGE: readonly unknown[] = ['maximum-append-size-exceeded', 'maximum-append-event-size-exceeded'];

/** What an append needs of the store. */
interface Appending {
  connection: Connection;
  deadlineMs: number;
  /** At most so many events of a stream from a revision on, from the leader. */
  readPart(stream: string, fromRevision: number, count: number): Promise<readonly Recorded[]>;
}

/**
 * Appends by a moment. Each attempt says the same: these ids, behind this revision. So it does not matter whether an earlier attempt, whose
 * answer never came, was kept.
 */
export const makeAppend =
  ({ connection, deadlineMs, readPart }: Appending) =>
  (stream: string, events: readonly NewEvent[], expectedRevision: number, until: number): Promise<Appended> => {
    const messages = [header(stream, expectedRevision), ...events.map(toMessage)];
    const revision = expectedRevision + events.length;

    /** Where the events stand, if they stand behind the expected revision. */
    const standing = async (): Promise<Appended | null> => {
      const found = await readPart(stream, expectedRevision + 1, events.length);
      const last = found.at(-1);
      const kept = last !== undefined && events.every(({ id }, index) => found[index]?.getId()?.getString() === id);
      return kept ? { revision, position: positionOf(last.getCommitPosition(), last.getPreparePosition()) } : null;
    };

    return retried(until, async () => {
      const response = await connection.call(deadlineMs, sending(messages)).catch((error) => {
        throw TOO_LARGE.includes(exceptionOf(error)) ? new AppendTooLarge(stream, { cause: error }) : error;
      });
      const success = response.getSuccess();
      const position = success?.getPosition();
      // The position of an append is that of its last event. A repeated append may be answered without one.
      if (success !== undefined && position !== undefined && Number(success.getCurrentRevision()) === revision)
        return { revision, position: positionOf(position.getCommitPosition(), position.getPreparePosition()) };
      // The server looks for repeated ids as well, but what it makes of them differs in corners: what the stream holds decides.
      const place = await standing();
      if (place !== null) return place;
      throw new RevisionConflict(stream, expectedRevision, actualRevision(response));
    });
  };

const header = (stream: string, expectedRevision: number): AppendReq => {
  const options = new pb.AppendReq.Options().setStreamIdentifier(identifierOf(stream));
  if (expectedRevision === -1) options.setNoStream(new shared.Empty());
  else options.setRevision(String(expectedRevision));
  return new pb.AppendReq().setOptions(options);
};

/** Sends an append: where it goes, then its events. */
export const sending =
  (messages: readonly AppendReq[]): Call<AppendResp> =>
  (streams, args) =>
    new Promise((resolve, reject) => {
      const call = streams.append(...args, (error, response) => (error === null ? resolve(response) : reject(error)));
      call.on('error', reject);
      for (const message of messages) call.write(message);
      call.end();
    });

const actualRevision = (response: AppendResp): number => {
  const wrong = response.getWrongExpectedVersion();
  return wrong?.hasCurrentRevision() ? Number(wrong.getCurrentRevision()) : -1;
};
