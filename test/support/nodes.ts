import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { Agent, fetch } from 'undici';
import type { z } from 'zod';
import { systemClock, systemIds } from '../../src/adapters/clock.ts';
import { type KurrentdbSettings, kurrentdbEventStore } from '../../src/adapters/event-store/kurrentdb.ts';
import { developmentSandbox, type Sandbox } from '../../src/adapters/sandbox.ts';
import { developmentTls } from '../../src/adapters/tls/development-ca.ts';
import { loadConfig } from '../../src/config.ts';
import { accountsIn, askForEnrolment, enrol, type Fetch, type Phone } from '../../src/demo/phone.ts';
import { families } from '../../src/domain/catalogue.ts';
import { requestIdOf } from '../../src/domain/ciba-request/id.ts';
import { client, register } from '../../src/domain/client/decider.ts';
import { CIBA_GRANT, clientMetadata } from '../../src/domain/client/metadata.ts';
import { makeDecide } from '../../src/domain/decide.ts';
import type { EventStore, StoredEvent } from '../../src/domain/ports/event-store.ts';
import type { Ports } from '../../src/engine.ts';
import { type Serving, serve } from '../../src/serve.ts';
import { type ClusterOptions, type KurrentdbCluster, kurrentdbCluster } from './kurrentdb-server/cluster.ts';
import { settingsFor } from './kurrentdb-server/settings.ts';
import { freshEnvironment, temporaryFolder } from './served.ts';
import { killServer, spawnServer } from './server-process.ts';

export type Form = Record<string, string>;

/** What came back. */
export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: the answers of many endpoints
  body: any;
}

/** A way to the engine: whatever is called at the issuer goes there. */
export interface Way {
  fetch: Fetch;
  post(path: string, form: Form, headers?: Form): Promise<Answer>;
}

/** A node that serves in this process. */
export interface ServedNode extends Way {
  serving: Serving;
  /** What it took for a fault. */
  faults: readonly { what: string; message: string }[];
  close(): Promise<void>;
}

/** A node that is a process of its own. */
export interface ChildNode extends Way {
  process: ChildProcess;
  /** kill -9. */
  kill(): Promise<void>;
}

/** A cluster of stores, and the nodes over it, which have one issuer, one master key and the same PSUs. */
export interface Nodes {
  cluster: KurrentdbCluster;
  issuer: string;
  psus: Sandbox['psus'];
  /** The log as somebody else sees it. */
  store: EventStore;
  log(): Promise<readonly StoredEvent[]>;
  /** The environment of a node with a data directory of its own. */
  environment(more?: Form): Promise<Form>;
  /** Starts a node in this process: a new one, or the one of an environment again. */
  serve(options?: { env?: Form; instead?: Partial<Ports> }): Promise<ServedNode>;
  /** Starts a node as a process of its own. */
  spawn(env?: Form): Promise<ChildNode>;
  /** The way to the node that listens at a port, over connections of its own. */
  way(port: number): Way;
  /** Registers a client; the form members that authenticate it. It is pinged at the endpoint, if there is one, also over http. */
  client(metadata?: Partial<z.input<typeof clientMetadata>>, endpoint?: string): Promise<{ client_id: string; client_secret: string }>;
  /** Enrols a phone of the first PSU. */
  phone(fetch: Fetch, pushToken?: string): Promise<Phone>;
  close(): Promise<void>;
}

/** Starts the cluster. `more` are settings of every node. */
export const nodesOver = async (more: Form = {}, options?: ClusterOptions): Promise<Nodes> => {
  const cluster = await kurrentdbCluster(options);
  const nodes = await nodesIn(settingsFor(cluster.connectionString), more);
  const close = async () => {
    await nodes.close();
    cluster.stop();
  };
  return { ...nodes, cluster, close };
};

/** The same over a cluster that runs elsewhere. */
export const nodesIn = async (where: KurrentdbSettings, more: Form = {}): Promise<Omit<Nodes, 'cluster'>> => {
  const folder = temporaryFolder();
  const inFolder = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const { directoryFile, psus } = await developmentSandbox(join(folder, 'sandbox'));
  const { caFile } = await developmentTls(join(folder, 'tls'), { hostname: 'localhost', addresses: [], now: systemClock() });
  const issuer = 'https://countersign.test';
  const settings = {
    COUNTERSIGN_ISSUER: issuer,
    COUNTERSIGN_STORE_KIND: 'kurrentdb',
    COUNTERSIGN_STORE_KURRENTDB_CONNECTION_STRING_FILE: inFolder('connection-string', where.connectionString),
    COUNTERSIGN_STORE_KURRENTDB_DEADLINE_MS: '1000',
    COUNTERSIGN_KEYS_MASTER_FILE: inFolder('master.key', Buffer.alloc(32, 7).toString('base64url')),
    COUNTERSIGN_PSU_DIRECTORY_FILE: directoryFile,
    COUNTERSIGN_TLS_CERTIFICATE_FILE: join(folder, 'tls/server.pem'),
    COUNTERSIGN_TLS_KEY_FILE: join(folder, 'tls/server.key'),
    COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '100000',
    ...more,
  };
  const ca = readFileSync(caFile, 'utf8');
  const closers: (() => unknown)[] = [];
  let isClosed = false;
  const categories = families.map(({ category }) => category);
  const store = kurrentdbEventStore({ ...where, categories, deadlineMs: 10_000 });
  closers.push(store.close);
  const way = (port: number): Way => {
    const dispatcher = new Agent({ connect: { ca }, keepAliveTimeout: 10_000 });
    closers.push(() => dispatcher.destroy());
    return overFetch(issuer, async (url, init = {}) => {
      const response = await fetch(url.replace(issuer, `https://localhost:${port}`), { ...init, dispatcher });
      return response as unknown as Response;
    });
  };
  const environment = (own: Form = {}) => freshEnvironment({ ...settings, ...own });

  return {
    ...{ issuer, psus, store, environment, way },
    log: () => store.readAll(0, 1_000_000),
    async serve({ env, instead = {} } = {}) {
      const { config } = loadConfig({ env: env ?? (await environment()), cwd: tmpdir() });
      const faults: { what: string; message: string }[] = [];
      const write = (line: string) => {
        const { what, err } = JSON.parse(line);
        faults.push({ what, message: err?.message });
      };
      const serving = await serve(config, { say: () => undefined, log: pino({ level: 'error' }, { write }), instead });
      let closing: Promise<void> | undefined;
      const close = () => {
        closing ??= serving.close();
        return closing;
      };
      closers.push(close);
      return { ...way(config.server.port), serving, faults, close };
    },
    async spawn(given) {
      const env = given ?? (await environment());
      // A test whose time is over goes on by itself: what it starts then nobody would end.
      if (isClosed) throw new Error('the cluster was closed');
      const { process, serves } = spawnServer(env);
      const kill = async () => {
        if (process.exitCode === null && process.signalCode === null) await killServer(process);
      };
      closers.push(kill);
      await serves;
      return { ...way(Number(env['COUNTERSIGN_SERVER_PORT'])), process, kill };
    },
    async client(metadata = {}, endpoint) {
      const [clientId, secret] = [`client-${systemIds.uuid()}`, systemIds.secret()];
      const full = clientMetadata.parse({
        client_name: 'A TPP',
        profile: 'plain',
        token_endpoint_auth_method: 'client_secret_post',
        tls_client_certificate_bound_access_tokens: false,
        ...metadata,
        ...(endpoint !== undefined && {
          backchannel_token_delivery_mode: 'ping',
          backchannel_client_notification_endpoint: 'https://x.test',
        }),
      });
      if (endpoint !== undefined) full.backchannel_client_notification_endpoint = endpoint;
      const decide = makeDecide({ store, sealer: NOTHING_TO_SEAL, ids: systemIds });
      const actor = { kind: 'operator', id: 'test' } as const;
      const command = { id: systemIds.uuid(), actor, correlationId: clientId, causationId: null };
      const hash = full.token_endpoint_auth_method.startsWith('client_secret_') ? systemIds.hash(secret) : null;
      await decide(client, clientId, register(full, hash, systemClock()), command);
      return { client_id: clientId, client_secret: secret };
    },
    async phone(fetch, pushToken) {
      return enrol(fetch, await askForEnrolment(fetch, issuer, psus[0] as Sandbox['psus'][number]), { pushToken: pushToken ?? null });
    },
    async close() {
      isClosed = true;
      for (const close of closers.splice(0).reverse()) await close();
    },
  };
};

const NOTHING_TO_SEAL = {
  seal: () => {
    throw new TypeError('a client has nothing to seal');
  },
  open: () => null,
};

const overFetch = (issuer: string, fetch: Fetch): Way => ({
  fetch,
  async post(path, form, headers = {}) {
    const sent = { 'content-type': 'application/x-www-form-urlencoded', ...headers };
    const response = await fetch(issuer + path, { method: 'POST', headers: sent, body: new URLSearchParams(form).toString() });
    return { status: response.status, headers: response.headers, body: JSON.parse((await response.text()) || '{}') };
  },
});

/** Each call goes to the next one. */
export const inTurn = ({ issuer }: Pick<Nodes, 'issuer'>, ways: readonly Way[]): Way => {
  let calls = 0;
  return overFetch(issuer, (url, init) => {
    calls += 1;
    return (ways[calls % ways.length] as Way).fetch(url, init);
  });
};

/** One way until it leads nowhere, then the next one. */
export interface FailingOver extends Way {
  /** Does it, and again by the next way where a call has reached nobody; whatever a node has answered is the answer. */
  doing<T>(step: () => Promise<T>): Promise<T>;
}

export const failingOver = ({ issuer }: Pick<Nodes, 'issuer'>, ways: readonly Way[], first = 0): FailingOver => {
  let at = first;
  return {
    ...overFetch(issuer, (url, init) => (ways[at % ways.length] as Way).fetch(url, init)),
    async doing(step) {
      for (;;) {
        const began = at;
        try {
          return await step();
        } catch (error) {
          if (!(error instanceof TypeError)) throw error;
          if (at === began) at += 1;
        }
      }
    },
  };
};

/** Asks for the first PSU's consent; both names of the request. */
export const ask = async ({ post }: Pick<Way, 'post'>, tpp: Form, more: Form = {}): Promise<{ authReqId: string; requestId: string }> => {
  const { status, body } = await post('/oauth2/ciba', { ...tpp, scope: 'openid accounts', login_hint: 'alice', ...more });
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
  const authReqId = String(body.auth_req_id);
  return { authReqId, requestId: requestIdOf(authReqId, systemIds) };
};

/** The PSU answers on the phone. */
export const answer = async (phone: Phone, requestId: string, verdict: 'approved' | 'denied' = 'approved'): Promise<void> => {
  const shown = await phone.retrieve(requestId);
  await phone.send(shown.request_id, await phone.sign(shown, verdict, verdict === 'approved' ? accountsIn(shown) : []));
};

/** What fetches the tokens of a request. */
export const pollOf = (tpp: Form, authReqId: string): Form => ({ ...tpp, grant_type: CIBA_GRANT, auth_req_id: authReqId });

/** Resolves when the condition holds; the test's own time is the limit. */
export const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
};
