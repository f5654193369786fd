import shared from '@eventstore/db-client/generated/shared_pb.js';
import streams, { type AppendReq, type ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import type { Actor, NewEvent, StoredEvent } from '../../domain/ports/event-store.ts';

/** An event as the server sends it. */
export type Recorded = ReadResp.ReadEvent.RecordedEvent;

/** What stands beside the data of an event. KurrentDB's own projections know the names with a `$`. */
interface Envelope {
  $correlationId: string;
  $causationId?: string;
  version: number;
  compatibleFrom?: number;
  actor: Actor;
  sealed?: string;
  /** Where the event came from another store: when that one recorded it. */
  recordedAt?: number;
}

const TICKS_PER_MS = 10_000n;
// What a server says that does not know the position of an event in a stream.
const UNKNOWN_POSITION = '18446744073709551615';

/** An event as it is sent. The data goes as the bytes it has: it is hashed as it was given. */
export const toMessage = (event: NewEvent & { recordedAt?: number }): AppendReq => {
  const envelope: Envelope = {
    $correlationId: event.correlationId,
    ...(event.causationId !== null && { $causationId: event.causationId }),
    version: event.version,
    ...(event.compatibleFrom !== undefined && { compatibleFrom: event.compatibleFrom }),
    actor: event.actor,
    ...(event.sealed !== null && { sealed: event.sealed }),
    ...(event.recordedAt !== undefined && { recordedAt: event.recordedAt }),
  };
  const message = new streams.AppendReq.ProposedMessage()
    .setId(new shared.UUID().setString(event.id))
    .setData(Buffer.from(event.data))
    .setCustomMetadata(Buffer.from(JSON.stringify(envelope)));
  message.getMetadataMap().set('type', event.type).set('content-type', 'application/json');
  return new streams.AppendReq().setProposedMessage(message);
};

/** An event as it was read. Throws where it has no envelope of ours, or no position that a number can hold. */
export const toStored = (recorded: Recorded): StoredEvent => {
  const system = recorded.getMetadataMap();
  const stream = streamOf(recorded);
  const revision = Number(recorded.getStreamRevision());
  const envelope = envelopeOf(recorded, `${stream}/${revision}`);
  return {
    id: recorded.getId()?.getString() ?? '',
    type: system.get('type') ?? '',
    version: envelope.version,
    compatibleFrom: envelope.compatibleFrom,
    actor: { kind: envelope.actor.kind, id: envelope.actor.id },
    correlationId: envelope.$correlationId,
    causationId: envelope.$causationId ?? null,
    data: textOf(recorded.getData_asU8()),
    sealed: envelope.sealed ?? null,
    stream,
    revision,
    position: positionOf(recorded.getCommitPosition(), recorded.getPreparePosition()),
    recordedAt: envelope.recordedAt ?? Number(BigInt(system.get('created') ?? 0) / TICKS_PER_MS),
  };
};

/** The name of the stream that an event stands in. */
export const streamOf = (recorded: Recorded): string => textOf(recorded.getStreamIdentifier()?.getStreamName_asU8());

/**
 * A position as the port has it. An event that was written at once (by `Append`; the explicit transactions of old clients are another
 * matter) is committed where it is prepared: each event of an append has its own place in the log file, in the order of the append.
 */
export const positionOf = (commit: string, prepare: string): number => {
  if (commit === UNKNOWN_POSITION) throw new Error('the event store does not tell positions in streams: it needs a newer version');
  if (commit !== prepare) throw new Error(`event ${commit} was written in a transaction, prepared at ${prepare}`);
  const position = Number(commit);
  if (!Number.isSafeInteger(position)) throw new Error(`position ${commit} is more than a number can hold`);
  return position;
};

const envelopeOf = (recorded: Recorded, place: string): Envelope => {
  try {
    const envelope = JSON.parse(textOf(recorded.getCustomMetadata_asU8())) as Partial<Envelope>;
    const { $correlationId, version, actor } = envelope;
    if (typeof $correlationId === 'string' && typeof version === 'number' && typeof actor?.id === 'string') return envelope as Envelope;
  } catch (cause) {
    throw new Error(`${place} was not written by Countersign`, { cause });
  }
  throw new Error(`${place} was not written by Countersign`);
};

const textOf = (bytes: Uint8Array = new Uint8Array()): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
