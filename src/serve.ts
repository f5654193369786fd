import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { RequestListener, ServerOptions } from 'node:http';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import pino, { type Logger } from 'pino';
import { systemClock, systemIds } from './adapters/clock.ts';
import { openConsentSteps } from './adapters/consent-steps/from-settings.ts';
import { sqliteEventStore } from './adapters/event-store/sqlite.ts';
import { jwsReader } from './adapters/jose/jws-reader.ts';
import { masterKey } from './adapters/keys/master-key.ts';
import { psuKeys } from './adapters/keys/psu-keys.ts';
import { signingKeys } from './adapters/keys/signing-keys.ts';
import { openLoginScript } from './adapters/login-script.ts';
import { outboundClient } from './adapters/outbound/outbound.ts';
import { ownService } from './adapters/outbound/own-service.ts';
import { UnusableModule } from './adapters/own-module.ts';
import { filePsuDirectory } from './adapters/psu-directory/file.ts';
import { httpsPsuDirectory } from './adapters/psu-directory/https.ts';
import { developmentPushSender } from './adapters/push/development.ts';
import { fcmPushSender } from './adapters/push/fcm.ts';
import { registrationFiles } from './adapters/registration-files.ts';
import { sqliteReplayGuard } from './adapters/replay-guard.ts';
import { sqliteRows } from './adapters/rows/sqlite.ts';
import { developmentSandbox, type Sandbox } from './adapters/sandbox.ts';
import { sandboxKeyFile } from './adapters/sandbox-keys.ts';
import { secretIn } from './adapters/secret-file.ts';
import { makeCertificateOf } from './adapters/tls/certificate-of.ts';
import { type Identity, identityProblem, mutualServer, serverOptions } from './adapters/tls/servers.ts';
import { sandboxRules } from './api/sandbox/rules.ts';
import { type Config, ConfigError } from './config.ts';
import { detailTypes } from './domain/authorization-details/registered.ts';
import { client, register } from './domain/client/decider.ts';
import { CIBA_GRANT, checkMetadata, clientMetadata } from './domain/client/metadata.ts';
import type { PsuDirectory } from './domain/ports/psu-directory.ts';
import { type Engine, type EngineSettings, type Ports, startEngine } from './engine.ts';

// CIBA's polling interval defaults to 5 s, as Node's keep-alive does: a client that polls must find its connection open.
// Who sends slowly is cut off: headers have 10 s, a whole request 30 s, and both are looked at every 5 s.
const HTTP: ServerOptions = {
  ...{ keepAliveTimeout: 75_000, headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 5000 },
  maxHeaderSize: 16_384,
};

// At the end a connection that is busy has this long to finish.
const BUSY_MS = 5000;

/** An engine that serves both listeners. */
export interface Serving {
  engine: Engine;
  sandbox: Sandbox | null;
  caFile: string | null;
  /** Rejects when the engine cannot go on: its log or a projection has stopped. */
  failed: Promise<never>;
  close(): Promise<void>;
}

/**
 * Opens everything that the settings name, in order, and serves. `say` gets what an operator should read at the start; `instead` stands in
 * for ports of the settings.
 */
export const serve = async (
  config: Config,
  { say, log = logger(config), instead = {} }: { say(line: string): void; log?: Logger; instead?: Partial<Ports> },
): Promise<Serving> => {
  const opened: (() => unknown)[] = [];
  const closeAll = async () => {
    for (const close of opened.reverse()) await close();
  };
  const opening = <T extends { close(): unknown }>(resource: T): T => {
    opened.push(() => resource.close());
    return resource;
  };
  try {
    const inData = (...path: string[]) => join(config.dataDir, ...path);
    mkdirSync(inData('keys'), { recursive: true, mode: 0o700 });
    const development = config.environment === 'development';
    const store = opening(sqliteEventStore(inData('log.sqlite')));
    const sandbox = await sandboxOf(config);
    const tls = await tlsOf(config, inData('tls'));
    const master = masterKey(config.keys.masterFile, { create: development });
    const onFault = (what: string, error: unknown) => log.error({ what, err: error }, 'fault');
    const sealer = opening(psuKeys(inData('keys', 'psu-keys.sqlite'), master));
    const directory = await directoryOf(config, sandbox, onFault);
    const ports = {
      store,
      rows: opening(sqliteRows(inData('read-models.sqlite'))),
      sealer,
      signer: signingKeys(inData('keys'), master),
      jws: jwsReader,
      replayGuard: opening(sqliteReplayGuard(inData('replay.sqlite'), systemClock)),
      directory,
      consentSteps: await openConsentSteps(config.consent.authorizeSteps, { directory, sealer, onFault }),
      loginScript: await openLoginScript(config.authentication.script, { psuChannel: config.authentication.psuChannel, onFault }),
      pushSender: opening(await pushSenderOf(config, say)),
      outbound: outboundClient({ development, ...config.outbound }),
      clock: systemClock,
      ids: systemIds,
      ...instead,
    };
    const engine = await startEngine(ports, {
      config,
      mtlsBase: mtlsBaseOf(config),
      registrationFiles: await registrationFiles(config.registration),
      sandbox: await automatedApprover(config, inData('sandbox')),
      certificateOf: makeCertificateOf({
        ...{ proxies: config.proxy, clientCas: tls.clientCas, clock: systemClock },
        onForged: (address) => log.warn({ address }, 'a header for client certificates came from no trusted proxy and was ignored'),
      }),
      onFault,
    });
    opened.push(() => engine.stop());
    if (sandbox !== null) await registerSandboxClient(engine, sandbox);
    for (const [server, port] of serversOf(tls, engine.listener, config)) opened.push(await listening(server, port, config.server.host));
    opened.push(async () => {
      engine.beginStop();
      // Connections whose last answer has gone out are idle, and close with their server.
      await nextTurn();
    });
    const failed = new Promise<never>((_, reject) => engine.projections.applied.subscribe({ error: reject }));
    failed.catch(() => undefined);
    return { engine, sandbox, caFile: tls.caFile, failed, close: closeAll };
  } catch (error) {
    await closeAll();
    if (error instanceof UnusableModule) throw new ConfigError([error.message]);
    throw error;
  }
};

/** JSON lines on standard error, with the fields that are named here and no others. */
const logger = ({ log }: Pick<Config, 'log'>): Logger =>
  pino({ level: log.level, base: null, serializers: { err: plainError } }, pino.destination({ fd: 2, sync: true }));

/** What may be said of an error: an SDK hangs whole requests on its errors. */
const plainError = (error: unknown): object => {
  const { name, message, stack, code, cause } = error as Error & { code?: unknown };
  return {
    type: name,
    message,
    code: typeof code === 'object' ? undefined : code,
    stack,
    ...(cause instanceof Error && { cause: plainError(cause) }),
  };
};

const mtlsBaseOf = ({ issuer, server }: Config): string => {
  const url = new URL(issuer);
  url.port = String(server.mtlsPort);
  return url.href.replace(/\/$/, '');
};

const tlsOf = async ({ tls }: Config, dir: string): Promise<Identity & { clientCas: string[]; caFile: string | null }> => {
  const clientCas = await Promise.all(tls.clientCaFiles.map((file) => readFile(file, 'utf8')));
  if (tls.certificateFile !== null && tls.keyFile !== null) {
    const [certificate, key] = await Promise.all([readFile(tls.certificateFile, 'utf8'), readFile(tls.keyFile, 'utf8')]);
    const problem = identityProblem({ certificate, key }, systemClock());
    if (problem !== null) throw new ConfigError([`tls.certificate_file and tls.key_file: ${problem}`]);
    return { certificate, key, clientCas, caFile: null };
  }
  // Loaded only here: production needs nothing that makes certificates.
  const { developmentTls, thisMachine } = await import('./adapters/tls/development-ca.ts');
  const { certificate, key, ca, caFile } = await developmentTls(dir, { ...thisMachine(), now: systemClock() });
  return { certificate, key, clientCas: [...clientCas, ca], caFile };
};

const DIRECTORY_MS = 5000;

/** What development has in place of a directory of PSUs, where the settings name none. */
export const sandboxOf = async ({ environment, dataDir, psu }: Config): Promise<Sandbox | null> =>
  environment === 'development' && psu.directoryFile === null && psu.directoryUrl === null
    ? developmentSandbox(join(dataDir, 'sandbox'))
    : null;

/** The directory of PSUs that the settings name, or that of the sandbox. */
export const directoryOf = async (
  { psu }: Config,
  sandbox: Sandbox | null,
  onFault: (what: string, error: unknown) => void,
): Promise<PsuDirectory> => {
  const { directoryFile, directoryUrl, directorySecretFile } = psu;
  if (directoryUrl === null) return filePsuDirectory(directoryFile ?? sandbox?.directoryFile ?? '');
  const token = directorySecretFile === null ? null : await secretIn(directorySecretFile);
  return httpsPsuDirectory({ url: directoryUrl.replace(/\/$/, ''), token, outbound: ownService(directoryUrl, DIRECTORY_MS), onFault });
};

const pushSenderOf = async ({ push, outbound }: Config, say: (line: string) => void) => {
  const { serviceAccountFile } = push.fcm;
  if (serviceAccountFile !== null) return fcmPushSender({ serviceAccountFile, ...outbound });
  say('push: no push.fcm.service_account_file, so wake-ups are printed here and reach no phone');
  return { ...developmentPushSender(say), close: () => undefined };
};

/** The automated approver, where the settings want it: never in production, which refuses the setting too. */
const automatedApprover = async ({ environment, sandbox }: Config, dir: string): Promise<EngineSettings['sandbox']> => {
  if (environment === 'production' || !sandbox.automatedApprover) return undefined;
  const { rulesFile } = sandbox;
  const rules = rulesFile === null ? { rules: [] } : JSON.parse(await readFile(rulesFile, 'utf8'));
  return { keys: sandboxKeyFile(join(dir, 'devices.json')), rules: sandboxRules.parse(rules) };
};

const registerSandboxClient = async (
  { decide, load, readModels, surface }: Engine,
  { client: { clientId, clientSecret } }: Sandbox,
): Promise<void> => {
  if ((await load(client, clientId)).status !== 'absent') return;
  const metadata = checkMetadata(
    clientMetadata.parse({
      client_name: 'Sandbox TPP',
      profile: 'plain',
      token_endpoint_auth_method: 'client_secret_basic',
      tls_client_certificate_bound_access_tokens: false,
      grant_types: [CIBA_GRANT, 'authorization_code', 'client_credentials', 'refresh_token'],
      response_types: ['code'],
      // Some page that is there: a developer reads the code in the address bar.
      redirect_uris: [`${surface.issuer}/docs`],
      authorization_details_types: [...detailTypes.keys()],
    }),
  );
  const command = { id: systemIds.uuid(), actor: { kind: 'engine', id: 'sandbox' } as const, correlationId: clientId, causationId: null };
  const { position } = await decide(client, clientId, register(metadata, systemIds.hash(clientSecret), systemClock()), command);
  await readModels.reached(position);
};

const serversOf = (tls: Identity & { clientCas: string[] }, handler: RequestListener, { server }: Config): [Server, number][] => [
  [createServer({ ...HTTP, ...serverOptions(tls) }, handler), server.port],
  [mutualServer(tls, HTTP, handler), server.mtlsPort],
];

const listening = async (server: Server, port: number, host: string): Promise<() => Promise<void>> => {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeIdleConnections();
      setTimeout(() => server.closeAllConnections(), BUSY_MS).unref();
    });
};
