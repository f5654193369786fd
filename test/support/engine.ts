import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { z } from 'zod';
import { systemClock, systemIds } from '../../src/adapters/clock.ts';
import { openConsentSteps } from '../../src/adapters/consent-steps/from-settings.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { jwsReader } from '../../src/adapters/jose/jws-reader.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { temporarySigningKeys } from '../../src/adapters/keys/signing-keys.ts';
import { localLimits } from '../../src/adapters/limits/local.ts';
import { openLoginScript } from '../../src/adapters/login-script.ts';
import { outboundClient } from '../../src/adapters/outbound/outbound.ts';
import { inMemoryPushSender } from '../../src/adapters/push/in-memory.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { loadConfig } from '../../src/config.ts';
import type { ClientCertificate } from '../../src/domain/client/certificate.ts';
import { client, disable, register } from '../../src/domain/client/decider.ts';
import { type ClientMetadata, clientMetadata } from '../../src/domain/client/metadata.ts';
import type { EventStore, StoredEvent } from '../../src/domain/ports/event-store.ts';
import type { PsuDirectory } from '../../src/domain/ports/psu-directory.ts';
import { type Engine, type EngineSettings, type Ports, startEngine } from '../../src/engine.ts';

/** Alice and Bob, whose passwords are their names. */
export const people: PsuDirectory = {
  findByHint: async (hint) => (['alice', 'bob'].includes(hint) ? `psu-${hint}` : null),
  exists: async (psuId) => ['psu-alice', 'psu-bob'].includes(psuId),
  nameOf: async (psuId) => {
    const username = psuId.replace('psu-', '');
    return ['alice', 'bob'].includes(username) ? { username, givenName: username === 'alice' ? 'Alice' : null, familyName: null } : null;
  },
  authenticate: async (username, password) => (username === password ? people.findByHint(username) : null),
  hasUserCode: async () => false,
  userCodeFits: async () => false,
  accounts: async (psuId) => [
    { accountId: `${psuId}-1`, displayName: 'Current account' },
    { accountId: `${psuId}-2`, displayName: 'Savings' },
  ],
};

export interface TestEngine {
  engine: Engine;
  ports: Ports;
  url: string;
  /** Registers a client and returns its id. */
  client(metadata: Partial<z.input<typeof clientMetadata>>, secret?: string): Promise<string>;
  /** Disables a client. */
  disable(clientId: string): Promise<void>;
  post(
    path: string,
    form: Record<string, string> | string,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: Record<string, unknown>; headers: Headers }>;
  /** Every event in the log. */
  log(): Promise<readonly StoredEvent[]>;
  /** What the engine took for a fault of its own; `close` rejects when there is any. */
  faults: readonly unknown[];
  close(): Promise<void>;
}

/** A store as another node on the same one has it: it goes on when this node closes it. */
export const nodesOwn = (store: EventStore): EventStore => ({ ...store, close: async () => undefined });

/** An engine over plain HTTP on a free port; the certificate of a call is what the header `x-test-certificate` says. */
export const testEngine = async (
  { nowMs, sandbox, ...given }: Partial<Ports> & Pick<EngineSettings, 'sandbox'> & { nowMs?: () => number } = {},
  settings: Record<string, string> = {},
): Promise<TestEngine> => {
  const { config } = loadConfig({ env: settings, cwd: '/nonexistent' });
  const faults: unknown[] = [];
  const withoutSteps = {
    store: inMemoryEventStore(),
    rows: sqliteRows(':memory:'),
    auditRows: sqliteRows(':memory:'),
    sealer: psuKeys(':memory:', Buffer.alloc(32, 1)),
    signer: temporarySigningKeys(),
    jws: jwsReader,
    limits: localLimits(':memory:', { clock: given.clock ?? systemClock, nowMs }),
    directory: people,
    pushSender: inMemoryPushSender(),
    outbound: outboundClient({ development: true }),
    clock: systemClock,
    ids: systemIds,
    ...given,
  };
  const onFault = (_what: string, error: unknown) => faults.push(error);
  const consentSteps = await openConsentSteps(config.consent.authorizeSteps, { ...withoutSteps, onFault });
  const loginScript = await openLoginScript(config.authentication.script, { ...config.authentication, onFault });
  const ports: Ports = { consentSteps, loginScript, ...withoutSteps };
  const server: Server = createServer((req, res) => engine.listener(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stopServer = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  const engine = await startEngine(ports, {
    config: { ...config, issuer: url, tokens: { ...config.tokens, audience: url } },
    mtlsBase: url.replace('127.0.0.1', 'localhost'),
    certificateOf: (req: IncomingMessage) =>
      JSON.parse((req.headers['x-test-certificate'] as string) ?? 'null') as ClientCertificate | null,
    onFault,
    sandbox,
  }).catch(async (error) => {
    await stopServer();
    throw error;
  });
  const asOperator = (clientId: string) => ({
    id: systemIds.uuid(),
    actor: { kind: 'operator', id: 'test' } as const,
    correlationId: clientId,
    causationId: null,
  });

  return {
    engine,
    ports,
    url,
    async client(metadata, secret) {
      const clientId = `client-${systemIds.uuid()}`;
      const full: ClientMetadata = clientMetadata.parse({
        client_name: 'A TPP',
        profile: 'plain',
        token_endpoint_auth_method: 'client_secret_post',
        tls_client_certificate_bound_access_tokens: false,
        ...metadata,
      });
      const hash = secret === undefined ? null : systemIds.hash(secret);
      const { position } = await engine.decide(client, clientId, register(full, hash, systemClock()), asOperator(clientId));
      await engine.readModels.reached(position);
      return clientId;
    },
    async disable(clientId) {
      const { position } = await engine.decide(client, clientId, disable(systemClock()), asOperator(clientId));
      await engine.readModels.reached(position);
    },
    async post(path, form, headers = {}) {
      const body = typeof form === 'string' ? form : new URLSearchParams(form).toString();
      const response = await fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body,
      });
      const text = await response.text();
      return { status: response.status, body: text === '' ? {} : JSON.parse(text), headers: response.headers };
    },
    log: () => ports.store.readAll(0, 1_000_000),
    faults,
    async close() {
      await stopServer();
      await engine.stop();
      await ports.store.close();
      if (faults.length > 0) throw new AggregateError(faults, 'the engine had faults');
    },
  };
};
