import gossipGrpc from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import gossip from '@eventstore/db-client/generated/gossip_pb.js';
import featuresGrpc from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import features from '@eventstore/db-client/generated/serverfeatures_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import grpc from '@eventstore/db-client/generated/streams_grpc_pb.js';
import pb, {
  type AppendReq,
  type AppendResp,
  type DeleteReq,
  type ReadReq,
  type ReadResp,
  type TombstoneReq,
} from '@eventstore/db-client/generated/streams_pb.js';
import {
  type Metadata,
  type Server,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { DELETED, metadataOf, type Outcome, type ServerLog } from './log.ts';
import {
  appendTooLarge,
  confirmationResponse,
  expectedIn,
  failure,
  keptResponse,
  notLeader,
  proposedIn,
  streamDeleted,
  streamIn,
  wrongExpectedVersion,
  wrongResponse,
} from './messages.ts';
import { type Quirks, readOf, type Shown, subscribeTo } from './reads.ts';

/** What the services ask of their node. */
export interface Behaviour {
  log: ServerLog;
  maxAppendSize: number;
  quirks: Quirks;
  /** Waited for before anything is done or shown. */
  ready(): Promise<void>;
  /** Throws what a call is answered with instead, if it is to fail. */
  admit(metadata: Metadata): void;
  /** Those under way. */
  subscriptions: Set<Shown>;
  /** Is told of every subscription that begins. */
  onSubscription(): void;
  /** Is told of every event that a subscription shows, as `<stream>/<revision>`. */
  onShown(event: string): void;
  /** Whether an append that was kept is to look as if the node had gone. */
  isCut(): boolean;
  members(): { address: string; port: number; state: 'leader' | 'follower'; alive: boolean }[];
}

/** Serves what the client's published definitions say. */
export const addServices = (server: Server, behaviour: Behaviour): void => {
  const { log, maxAppendSize, quirks, ready, admit } = behaviour;

  const answer = async <Response>(metadata: Metadata, callback: sendUnaryData<Response>, make: () => Response) => {
    await ready();
    try {
      admit(metadata);
      callback(null, make());
    } catch (error) {
      callback(error as Error);
    }
  };

  const append = (call: ServerReadableStream<AppendReq, AppendResp>, callback: sendUnaryData<AppendResp>) => {
    const messages: AppendReq[] = [];
    call.on('data', (message: AppendReq) => messages.push(message));
    call.on('error', () => undefined);
    call.on('end', () =>
      answer(call.metadata, callback, () => {
        const options = messages[0]?.getOptions();
        const stream = streamIn(options?.getStreamIdentifier());
        const expected = expectedIn(options);
        const proposed = messages.flatMap((message) => message.getProposedMessage() ?? []).map(proposedIn);
        const bytes = proposed.reduce((sum, { type, data, metadata }) => sum + type.length + data.length + metadata.length, 0);
        if (bytes > maxAppendSize) throw appendTooLarge(maxAppendSize);
        if (quirks.readOnly) throw failure(status.ABORTED, 'it takes no appends');
        const outcome = log.append(stream, expected, proposed);
        if ('deleted' in outcome) throw streamDeleted(stream);
        if ('wrong' in outcome) return wrongResponse(expected, outcome.wrong);
        if (outcome.repeated && quirks.forgetful) return wrongResponse(expected, log.visible(stream)?.at(-1)?.revision ?? -1);
        if (behaviour.isCut()) throw failure(status.UNAVAILABLE, 'the connection was cut');
        return keptResponse(outcome.kept, !(outcome.repeated && quirks.withoutPosition));
      }),
    );
  };

  const read = async (call: ServerWritableStream<ReadReq, ReadResp>) => {
    await ready();
    const options = call.request.getOptions() as ReadReq.Options;
    try {
      admit(call.metadata);
      if (options.hasSubscription()) {
        const write = (response: ReadResp) => {
          const event = response.getEvent()?.getEvent();
          if (event !== undefined) behaviour.onShown(`${streamIn(event.getStreamIdentifier())}/${event.getStreamRevision()}`);
          call.write(response);
        };
        behaviour.onSubscription();
        if (quirks.confirmsOnly) {
          call.write(confirmationResponse());
          throw notLeader(null);
        }
        const shown = subscribeTo(log, options, quirks, write, ready);
        behaviour.subscriptions.add(shown);
        call.on('cancelled', () => {
          shown.stop();
          behaviour.subscriptions.delete(shown);
        });
        return;
      }
      for await (const response of readOf(log, options, quirks)) {
        if (call.cancelled) return;
        call.write(response);
      }
      call.end();
    } catch (error) {
      call.emit('error', error);
    }
  };

  const removal =
    <Request extends DeleteReq | TombstoneReq, Response>(remove: (stream: string, request: Request) => Outcome, response: () => Response) =>
    (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) =>
      answer(call.metadata, callback, () => {
        const options = call.request.getOptions();
        const stream = streamIn(options?.getStreamIdentifier());
        const outcome = remove(stream, call.request);
        if ('deleted' in outcome) throw streamDeleted(stream);
        if ('wrong' in outcome) throw wrongExpectedVersion(stream, expectedIn(options), outcome.wrong);
        return response();
      });

  const softDelete = (stream: string, request: DeleteReq): Outcome => {
    const current = (log.visible(stream)?.at(-1)?.revision ?? -1) as number;
    const expected = expectedIn(request.getOptions());
    if (typeof expected === 'number' && expected !== current) return { wrong: current };
    return metadataOf({ log }, stream, { $tb: DELETED });
  };

  server.addService(grpc.StreamsService, {
    append,
    read,
    delete: removal(softDelete, () => new pb.DeleteResp()),
    tombstone: removal(
      (stream, request: TombstoneReq) => log.tombstone(stream, expectedIn(request.getOptions())),
      () => new pb.TombstoneResp(),
    ),
    // Not among the supported methods.
    batchAppend: (call: { emit(name: 'error', error: Error): void }) => call.emit('error', failure(status.UNIMPLEMENTED, 'batchAppend')),
  });

  server.addService(featuresGrpc.ServerFeaturesService, {
    getSupportedMethods: (
      call: ServerUnaryCall<unknown, unknown>,
      callback: sendUnaryData<InstanceType<typeof features.SupportedMethods>>,
    ) =>
      answer(call.metadata, callback, () => {
        const supported = ['append', 'read', 'delete', 'tombstone'].map((name) =>
          new features.SupportedMethod().setServiceName('event_store.client.streams.Streams').setMethodName(name),
        );
        return new features.SupportedMethods().setEventStoreServerVersion('25.0.0.0').setMethodsList(supported);
      }),
  });

  server.addService(gossipGrpc.GossipService, {
    // Any node is asked, whoever leads.
    read: async (_call: unknown, callback: sendUnaryData<InstanceType<typeof gossip.ClusterInfo>>) => {
      await ready();
      const members = behaviour.members().map(({ address, port, state, alive }) =>
        new gossip.MemberInfo()
          .setInstanceId(new shared.UUID().setString(crypto.randomUUID()))
          .setTimeStamp('0')
          .setState(gossip.MemberInfo.VNodeState[state === 'leader' ? 'LEADER' : 'FOLLOWER'])
          .setIsAlive(alive)
          .setHttpEndPoint(new gossip.EndPoint().setAddress(address).setPort(port)),
      );
      callback(null, new gossip.ClusterInfo().setMembersList(members));
    },
  });
};
