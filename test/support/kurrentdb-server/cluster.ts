import { freePort } from '../ports.ts';
import { type ServerLog, serverLog } from './log.ts';
import { type KurrentdbNode, kurrentdbNode, type Membership } from './node.ts';

/** A cluster in this process: nodes that share one log, one of them its leader. */
export interface KurrentdbCluster {
  log: ServerLog;
  nodes: readonly KurrentdbNode[];
  /** The first node of it, for clusters that have only one. */
  node: KurrentdbNode;
  /** Names all nodes, with gossip where there are several. */
  connectionString: string;
  /** Another node leads; nobody, while null. */
  elect(leader: KurrentdbNode | null): void;
  stop(): void;
}

/** What a cluster can be made with. */
export interface ClusterOptions {
  nodes?: number;
  tls?: Membership['tls'];
  user?: Membership['user'];
  now?: () => number;
  /** Where its log begins. */
  begin?: number;
  /** Whether its nodes listen already. */
  started?: boolean;
  /** `MaxAppendSize`: that of a server that was told nothing, if not given. */
  maxAppendSize?: number;
}

/** Makes a cluster on free ports of the loopback address. */
export const kurrentdbCluster = async (options: ClusterOptions = {}): Promise<KurrentdbCluster> => {
  const { nodes: count = 1, tls = null, user = null, started = true, maxAppendSize = 1024 * 1024 } = options;
  const log = serverLog(options);
  const ports: number[] = [];
  for (let made = 0; made < count; made += 1) ports.push(await freePort());
  let leader: KurrentdbNode | null = null;
  const membership: Membership = { log, leader: () => leader, nodes: () => nodes, tls, user, maxAppendSize };
  const nodes = ports.map((port) => kurrentdbNode(port, membership));
  const [node] = nodes as [KurrentdbNode];
  leader = node;
  if (started) await Promise.all(nodes.map((one) => one.start()));
  return {
    log,
    nodes,
    node,
    connectionString: `kurrentdb://${ports.map((port) => `127.0.0.1:${port}`).join(',')}?tls=${tls !== null}`,
    elect(elected) {
      leader = elected;
    },
    stop() {
      for (const one of nodes) one.stop();
    },
  };
};
