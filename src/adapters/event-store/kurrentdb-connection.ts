import { EventStoreDBClient, UnavailableError } from '@eventstore/db-client';
import grpc, { type StreamsClient } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type { KurrentdbAddress } from './kurrentdb-address.ts';
import { statusOf, Unreachable } from './kurrentdb-retry.ts';

const DEADLINE_EXCEEDED = 4;
// A round of gossip asks every node once. More rounds are the caller's retries, which have an end.
const DISCOVERY = { maxDiscoverAttempts: 1, discoveryInterval: 1, gossipTimeout: 1 };

/** What a call to the leader is sent with. */
export type CallArguments = ReturnType<Connection['argumentsUntil']>;
/** One call of the streams service. */
export type Call<T> = (streams: StreamsClient, args: CallArguments) => Promise<T>;

/**
 * A connection to the leader of a cluster. The client finds it, follows it when it changes, and connects again after a failure; the calls
 * are made on its published service definitions, because its own methods read without a deadline, read `$all` without a filter, parse what
 * is to be kept letter for letter, and share one long call among appends, where the deadline of one means nothing.
 */
export class Connection extends EventStoreDBClient {
  #streams: StreamsClient | undefined;

  constructor({ hosts, discover, tls, credentials }: KurrentdbAddress, ca: Buffer | null) {
    const [first = { address: 'localhost', port: 2113 }] = hosts;
    const channel = { insecure: !tls, ...(ca === null ? {} : { rootCertificate: ca }) };
    // A password is not sent in the open.
    const user = tls && credentials !== null ? credentials : undefined;
    if (discover) super({ discover: first, ...DISCOVERY }, channel, user);
    else if (hosts.length > 1) super({ endpoints: [...hosts], ...DISCOVERY }, channel, user);
    else super({ endpoint: first }, channel, user);
    const reconnect = this.handleError;
    // Nobody waits for it: when the next connection fails as well, that is told to those who make the calls.
    this.handleError = (client, error) => reconnect(client, error).catch(() => undefined);
  }

  /** One call, answered by the deadline or given up. `Unreachable` when it did not get as far as a node. */
  async call<T>(deadlineMs: number, call: Call<T>): Promise<T> {
    const deadline = Date.now() + deadlineMs;
    const answer = this.#execute(deadline, call);
    const { promise: late, reject } = Promise.withResolvers<never>();
    // The deadline of a call begins to count when it is made; looking for the leader counts here.
    const timer = setTimeout(() => reject(new Unreachable()), deadlineMs + 50);
    answer.catch(() => undefined);
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** A call that goes on until it is cancelled. */
  async subscribe<T>(call: Call<T>): Promise<T> {
    return this.#execute(Number.POSITIVE_INFINITY, call);
  }

  argumentsUntil(deadline: number) {
    return this.callArguments({ requiresLeader: true }, { deadline });
  }

  close(): void {
    this.#streams?.close();
  }

  async #execute<T>(deadline: number, call: Call<T>): Promise<T> {
    const asked = Date.now();
    try {
      return await this.execute(grpc.StreamsClient, 'streams', async (streams) => {
        this.#streams = streams;
        const hadTime = deadline - Date.now() >= (deadline - asked) / 2;
        try {
          return await call(streams, this.argumentsUntil(deadline));
        } catch (error) {
          // A node that does not answer is left, also where its connection seems to live; not for the time that it took to find it.
          if (hadTime && statusOf(error) === DEADLINE_EXCEEDED) void this.handleError(streams, new UnavailableError());
          throw error;
        }
      });
    } catch (error) {
      throw statusOf(error) === undefined ? new Unreachable({ cause: error }) : error;
    }
  }
}
