import { type Metadata, Server, ServerCredentials, status } from '@grpc/grpc-js';
import type { ServerLog } from './log.ts';
import { failure, notLeader } from './messages.ts';
import type { Quirks, Shown } from './reads.ts';
import { addServices, type Behaviour } from './services.ts';

/** What a node knows of its cluster. */
export interface Membership {
  log: ServerLog;
  leader(): KurrentdbNode | null;
  nodes(): readonly KurrentdbNode[];
  /** The certificate and key of its nodes, as PEM; in the open if null. */
  tls: { certificate: string; key: string } | null;
  /** Who may call; anybody if null. */
  user: { username: string; password: string } | null;
  /** The bytes that one append may have. */
  maxAppendSize: number;
}

/** One node, in this process. It misbehaves on command. */
export interface KurrentdbNode {
  address: string;
  port: number;
  start(): Promise<void>;
  /** Every connection is lost, and nobody listens any more. */
  stop(): void;
  /** Every connection is lost; the node listens again. */
  loseConnections(): Promise<void>;
  isUp(): boolean;
  /** The next appends are kept, and the connections lost before that is told. */
  cutAfterCommit(appends: number): void;
  /** The next calls fail like this, before anything is done. */
  refuse(calls: number, code: status): void;
  /** Every call, and what subscriptions show, is held until it is let go. */
  stall(): () => void;
  /** Every call waits so long. */
  delay(ms: number): void;
  /** The subscriptions that are under way show nothing any more; later ones do. */
  mute(): void;
  quirks: Quirks;
  /** How many calls are still to fail. */
  refusals(): number;
  /** How many calls it has admitted. */
  calls(): number;
  /** How many subscriptions have begun at it. */
  begun(): number;
  /** The events that its subscriptions have shown, each as `<stream>/<revision>`. */
  shown: readonly string[];
}

/** A node at a port of the loopback address. */
export const kurrentdbNode = (port: number, cluster: Membership): KurrentdbNode => {
  const quirks: Quirks = {
    ...{ twice: false, swapped: false, withoutCaughtUp: false, confirmsOnly: false },
    ...{ forgetful: false, readOnly: false, withoutPosition: false, lookingMs: 0 },
  };
  const subscriptions = new Set<Shown>();
  let refusals: status[] = [];
  const shown: string[] = [];
  let server: Server | undefined;
  let wanted = false;
  let cuts = 0;
  let calls = 0;
  let begun = 0;
  let delayMs = 0;
  let held: PromiseWithResolvers<void> | null = null;

  const admit = (metadata: Metadata) => {
    const refusal = refusals.shift();
    if (refusal !== undefined) throw failure(refusal, 'refused on command');
    if (cluster.user !== null && metadata.get('authorization')[0] !== basic(cluster.user))
      throw failure(status.UNAUTHENTICATED, 'Unauthenticated', { exception: 'access-denied' });
    if (metadata.get('requires-leader')[0] === 'true' && cluster.leader() !== node) throw notLeader(cluster.leader());
    calls += 1;
  };

  const behaviour: Behaviour = {
    log: cluster.log,
    maxAppendSize: cluster.maxAppendSize,
    quirks,
    subscriptions,
    onSubscription() {
      begun += 1;
    },
    onShown: (event) => void shown.push(event),
    async ready() {
      if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
      await held?.promise;
    },
    admit,
    isCut() {
      if (cuts === 0) return false;
      cuts -= 1;
      void node.loseConnections();
      return true;
    },
    members: () =>
      cluster.nodes().map((member) => ({
        address: member.address,
        port: member.port,
        state: member === cluster.leader() ? 'leader' : 'follower',
        alive: member.isUp(),
      })),
  };

  const node: KurrentdbNode = {
    address: '127.0.0.1',
    port,
    async start() {
      wanted = true;
      const starting = new Server();
      addServices(starting, behaviour);
      await new Promise<void>((resolve, reject) =>
        starting.bindAsync(`127.0.0.1:${port}`, credentialsOf(cluster.tls), (error) => (error === null ? resolve() : reject(error))),
      );
      // It may have been stopped meanwhile.
      if (wanted) server = starting;
      else starting.forceShutdown();
    },
    stop() {
      wanted = false;
      server?.forceShutdown();
      server = undefined;
    },
    async loseConnections() {
      node.stop();
      await node.start();
    },
    isUp: () => server !== undefined,
    cutAfterCommit(appends) {
      cuts = appends;
    },
    refuse(times, code) {
      refusals = Array<status>(times).fill(code);
    },
    stall() {
      held = Promise.withResolvers();
      return () => {
        held?.resolve();
        held = null;
      };
    },
    delay(ms) {
      delayMs = ms;
    },
    mute() {
      for (const subscription of subscriptions) subscription.stop();
    },
    quirks,
    refusals: () => refusals.length,
    calls: () => calls,
    begun: () => begun,
    shown,
  };
  return node;
};

const basic = ({ username, password }: { username: string; password: string }): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

const credentialsOf = (tls: Membership['tls']): ServerCredentials =>
  tls === null
    ? ServerCredentials.createInsecure()
    : ServerCredentials.createSsl(null, [{ private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.certificate) }]);
