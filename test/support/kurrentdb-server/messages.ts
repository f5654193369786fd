import shared from '@eventstore/db-client/generated/shared_pb.js';
import pb, { type AppendReq, type AppendResp, type DeleteReq, type ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { Entry, Expected, Proposed } from './log.ts';

const { Empty } = shared;

/** The name of the stream in a request. */
export const streamIn = (identifier: shared.StreamIdentifier | undefined): string =>
  Buffer.from(identifier?.getStreamName_asU8() ?? []).toString();

/** The revision that an append, or a deletion, expects. */
export const expectedIn = (options: AppendReq.Options | DeleteReq.Options | undefined): Expected => {
  if (options?.hasAny()) return 'any';
  if (options?.hasNoStream()) return 'no_stream';
  if (options?.hasStreamExists()) return 'stream_exists';
  return Number(options?.getRevision());
};

/** The event in a message of an append. */
export const proposedIn = (message: AppendReq.ProposedMessage): Proposed => ({
  id: message.getId()?.getString() ?? '',
  type: message.getMetadataMap().get('type') ?? '',
  contentType: message.getMetadataMap().get('content-type') ?? '',
  data: message.getData_asU8(),
  metadata: message.getCustomMetadata_asU8(),
});

/** An append that was kept, or had been before. */
export const keptResponse = ({ revision, position }: Entry, withPosition: boolean): AppendResp => {
  const success = new pb.AppendResp.Success().setCurrentRevision(String(revision));
  if (withPosition)
    success.setPosition(new pb.AppendResp.Position().setCommitPosition(String(position)).setPreparePosition(String(position)));
  else success.setNoPosition(new Empty());
  return new pb.AppendResp().setSuccess(success);
};

/** An append that expected another revision. */
export const wrongResponse = (expected: Expected, current: number): AppendResp => {
  const wrong = new pb.AppendResp.WrongExpectedVersion();
  if (typeof expected === 'number') wrong.setExpectedRevision(String(expected));
  if (expected === 'no_stream') wrong.setExpectedNoStream(new Empty());
  if (expected === 'stream_exists') wrong.setExpectedStreamExists(new Empty());
  if (current === -1) wrong.setCurrentNoStream(new Empty());
  else wrong.setCurrentRevision(String(current));
  return new pb.AppendResp().setWrongExpectedVersion(wrong);
};

/** An event that is read. */
export const eventResponse = (entry: Entry): ReadResp => {
  const position = String(entry.position);
  const recorded = new pb.ReadResp.ReadEvent.RecordedEvent()
    .setId(new shared.UUID().setString(entry.id))
    .setStreamIdentifier(new shared.StreamIdentifier().setStreamName(Buffer.from(entry.stream)))
    .setStreamRevision(String(entry.revision))
    .setCommitPosition(position)
    .setPreparePosition(position)
    .setData(entry.data)
    .setCustomMetadata(entry.metadata);
  recorded
    .getMetadataMap()
    .set('type', entry.type)
    .set('content-type', entry.contentType)
    .set('created', String(BigInt(entry.created) * 10_000n));
  return new pb.ReadResp().setEvent(new pb.ReadResp.ReadEvent().setEvent(recorded).setCommitPosition(position));
};

/** How far a filtered subscription has looked: the place of the last event, or in the past where the next one begins, with nothing prepared. */
export const checkpointResponse = ({ position, end }: Entry, isPast: boolean): ReadResp => {
  const checkpoint = new pb.ReadResp.Checkpoint();
  if (isPast) checkpoint.setCommitPosition(String(end)).setPreparePosition('0');
  else checkpoint.setCommitPosition(String(position)).setPreparePosition(String(position));
  return new pb.ReadResp().setCheckpoint(checkpoint);
};

export const caughtUpResponse = (): ReadResp => new pb.ReadResp().setCaughtUp(new pb.ReadResp.CaughtUp());

export const confirmationResponse = (): ReadResp =>
  new pb.ReadResp().setConfirmation(new pb.ReadResp.SubscriptionConfirmation().setSubscriptionId(crypto.randomUUID()));

export const notFoundResponse = (stream: string): ReadResp =>
  new pb.ReadResp().setStreamNotFound(
    new pb.ReadResp.StreamNotFound().setStreamIdentifier(new shared.StreamIdentifier().setStreamName(Buffer.from(stream))),
  );

/** A call that fails, with what the client reads from its trailers. */
export const failure = (code: status, details: string, trailers: Record<string, string> = {}): ServiceError => {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(trailers)) metadata.set(name, value);
  return Object.assign(new Error(details), { code, details, metadata });
};

/** A place in the log at which no record begins. */
export const invalidPosition = (place: number): Error => failure(status.UNKNOWN, `Trying to read from an invalid position ${place}`);

export const streamDeleted = (stream: string): ServiceError =>
  failure(status.FAILED_PRECONDITION, `Event stream '${stream}' is deleted.`, { exception: 'stream-deleted', 'stream-name': stream });

export const appendTooLarge = (maxAppendSize: number): ServiceError =>
  failure(status.INVALID_ARGUMENT, `Maximum Append Size of ${maxAppendSize} Exceeded.`, {
    exception: 'maximum-append-size-exceeded',
    'maximum-append-size': String(maxAppendSize),
  });

export const wrongExpectedVersion = (stream: string, expected: Expected, actual: number): ServiceError =>
  failure(status.FAILED_PRECONDITION, 'WrongExpectedVersion', {
    exception: 'wrong-expected-version',
    'stream-name': stream,
    'expected-version': String(typeof expected === 'number' ? expected : -1),
    'actual-version': String(actual),
  });

export const notLeader = (leader: { address: string; port: number } | null): ServiceError =>
  leader === null
    ? failure(status.UNKNOWN, 'No leader info available in response')
    : failure(status.NOT_FOUND, 'Leader info available', {
        exception: 'not-leader',
        'leader-endpoint-host': leader.address,
        'leader-endpoint-port': String(leader.port),
      });
