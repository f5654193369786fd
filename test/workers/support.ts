import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';
import { Client, fetch } from 'undici';
import type { z } from 'zod';
import { systemClock, systemIds } from '../../src/adapters/clock.ts';
import { sqliteEventReader, sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { accountsIn, askForEnrolment, enrol, type Fetch, type Phone } from '../../src/demo/phone.ts';
import { requestIdOf } from '../../src/domain/ciba-request/id.ts';
import { client, register } from '../../src/domain/client/decider.ts';
import { CIBA_GRANT, clientMetadata } from '../../src/domain/client/metadata.ts';
import { makeDecide } from '../../src/domain/decide.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import { freshEnvironment } from '../support/served.ts';

export const MAIN = join(import.meta.dirname, '../../src/main.ts');

export type Form = Record<string, string>;

/** What came back. */
export interface Answer {
  status: number;
  body: Record<string, string>;
}

/** One TCP connection, and so one worker. */
export interface Connection {
  fetch: Fetch;
  post(path: string, form: Form, headers?: Form): Promise<Answer>;
  close(): Promise<void>;
}

/** An engine as `countersign serve --workers` runs it. */
export interface Engine {
  issuer: string;
  dataDir: string;
  process: ChildProcess;
  psus: { username: string; password: string }[];
  /** What it wrote to standard error so far. */
  errors(): string;
  /** The processes of its workers. */
  workers(): number[];
  /** Opens so many connections, one after the other: they go round the workers. */
  connections(count: number): Promise<Connection[]>;
  enrol(fetch: Fetch): Promise<Phone>;
  log(): Promise<readonly StoredEvent[]>;
  /** Resolves when it has ended. */
  ended: Promise<number | null>;
}

/** Starts one, or the same again; resolves when it serves. */
export const startEngine = async (workers: number, env: Form): Promise<Engine> => {
  const server = spawn(process.execPath, [MAIN, '--workers', String(workers)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => server.once('exit', resolve));
  let errors = '';
  server.stderr.on('data', (text: Buffer) => {
    errors += text;
  });
  const serves = new Promise<void>((resolve) => {
    server.stdout.on('data', (text: Buffer) => text.includes('Countersign serves') && resolve());
  });
  await Promise.race([
    serves,
    ended.then((code) => {
      throw new Error(`the engine ended with ${code}: ${errors}`);
    }),
  ]);
  const issuer = `https://localhost:${env['COUNTERSIGN_SERVER_PORT']}`;
  const dataDir = env['COUNTERSIGN_DATA_DIR'] as string;
  const ca = readFileSync(join(dataDir, 'tls/ca.pem'), 'utf8');
  const { psus } = JSON.parse(readFileSync(join(dataDir, 'sandbox/sandbox.json'), 'utf8'));
  return {
    ...{ issuer, dataDir, process: server, ended, psus, errors: () => errors },
    workers: () => childrenOf(server.pid as number),
    async connections(count) {
      const all: Connection[] = [];
      for (let n = 0; n < count; n += 1) {
        const one = connection(issuer, ca);
        await one.fetch(`${issuer}/oauth2/jwks`);
        all.push(one);
      }
      return all;
    },
    enrol: async (fetch) => enrol(fetch, await askForEnrolment(fetch, issuer, psus[0])),
    async log() {
      const reader = sqliteEventReader(join(dataDir, 'log.sqlite'));
      const events = await reader.readAll(0, 1_000_000);
      await reader.close();
      return events;
    },
  };
};

/** Starts engines, each of which is killed behind its test. */
export const enginesOfTests = (): typeof startEngine => {
  const started: Engine[] = [];
  afterEach(async () => {
    for (const { process, ended } of started.splice(0)) {
      process.kill('SIGKILL');
      await ended;
    }
  });
  return async (...args) => {
    const engine = await startEngine(...args);
    started.push(engine);
    return engine;
  };
};

const childrenOf = (pid: number): number[] =>
  execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([child = 0, parent]) => (parent === pid ? [child] : []));

/** A connection of its own to what answers at the issuer. */
export const connection = (issuer: string, ca: string): Connection => {
  const dispatcher = new Client(issuer, { connect: { ca }, keepAliveTimeout: 60_000, bodyTimeout: 0, headersTimeout: 0 });
  const over: Fetch = async (url, init = {}) => (await fetch(url, { ...init, dispatcher })) as unknown as Response;
  return {
    fetch: over,
    async post(path, form, headers = {}) {
      const body = new URLSearchParams(form).toString();
      const response = await over(issuer + path, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body,
      });
      return { status: response.status, body: JSON.parse((await response.text()) || '{}') };
    },
    close: () => dispatcher.destroy(),
  };
};

/** Each call over the next connection. */
export const inTurn = (connections: readonly Connection[]): Pick<Connection, 'fetch' | 'post'> => {
  let calls = 0;
  const next = () => {
    calls += 1;
    return connections[calls % connections.length] as Connection;
  };
  return { fetch: (url, init) => next().fetch(url, init), post: (path, form, headers) => next().post(path, form, headers) };
};

/** How a client of `environmentWith` proves who it is. */
export const secretOf = (clientId: string): Form => ({ client_id: clientId, client_secret: clientId });

/** Asks for the first PSU's consent; the auth_req_id. */
export const ask = async ({ post }: Pick<Connection, 'post'>, tpp: Form, more: Form = {}): Promise<string> => {
  const { status, body } = await post('/oauth2/ciba', { ...tpp, scope: 'openid accounts', login_hint: 'alice', ...more });
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
  return body['auth_req_id'] as string;
};

/** The PSU answers on the phone. */
export const answer = async (phone: Phone, authReqId: string, verdict: 'approved' | 'denied' = 'approved'): Promise<void> => {
  const shown = await phone.retrieve(requestIdOf(authReqId, systemIds));
  await phone.send(shown.request_id, await phone.sign(shown, verdict, verdict === 'approved' ? accountsIn(shown) : []));
};

export const pollOf = (tpp: Form, authReqId: string): Form => ({ ...tpp, grant_type: CIBA_GRANT, auth_req_id: authReqId });

/** An environment for an engine on a log that holds these clients already; the secret of each that has one is its id. */
export const environmentWith = async (
  clients: Readonly<Record<string, Partial<z.input<typeof clientMetadata>>>>,
  more: Form = {},
): Promise<Record<string, string>> => {
  const env = await freshEnvironment({ COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '100000', ...more });
  const dataDir = env['COUNTERSIGN_DATA_DIR'] as string;
  mkdirSync(dataDir, { recursive: true });
  const store = sqliteEventStore(join(dataDir, 'log.sqlite'));
  const decide = makeDecide({ store, sealer: psuKeys(':memory:', Buffer.alloc(32, 1)), ids: systemIds });
  for (const [clientId, { backchannel_client_notification_endpoint: endpoint, ...metadata }] of Object.entries(clients)) {
    const parsed = clientMetadata.parse({
      client_name: 'A TPP',
      profile: 'plain',
      token_endpoint_auth_method: 'client_secret_post',
      tls_client_certificate_bound_access_tokens: false,
      ...metadata,
      // Development allows one host over http; a registration at runtime would not take the URL.
      ...(endpoint !== undefined && { backchannel_client_notification_endpoint: String(endpoint).replace('http:', 'https:') }),
    });
    const full = endpoint === undefined ? parsed : { ...parsed, backchannel_client_notification_endpoint: String(endpoint) };
    const command = { id: systemIds.uuid(), actor: { kind: 'operator', id: 'test' } as const, correlationId: clientId, causationId: null };
    const secret = full.token_endpoint_auth_method === 'client_secret_post' ? systemIds.hash(clientId) : null;
    await decide(client, clientId, register(full, secret, systemClock()), command);
  }
  await store.close();
  return env;
};

/** Resolves when the condition holds; the test's own time is the limit. */
export const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
};
