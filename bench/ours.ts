// Our engine, durable: log and read models in SQLite files, on plain HTTP. What target.ts says of a server under test holds here.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock, systemIds } from '../src/adapters/clock.ts';
import { openConsentSteps } from '../src/adapters/consent-steps/from-settings.ts';
import { sqliteEventStore } from '../src/adapters/event-store/sqlite.ts';
import { jwsReader } from '../src/adapters/jose/jws-reader.ts';
import { psuKeys } from '../src/adapters/keys/psu-keys.ts';
import { temporarySigningKeys } from '../src/adapters/keys/signing-keys.ts';
import { localLimits } from '../src/adapters/limits/local.ts';
import { openLoginScript } from '../src/adapters/login-script.ts';
import { outboundClient } from '../src/adapters/outbound/outbound.ts';
import { sqliteRows } from '../src/adapters/rows/sqlite.ts';
import { PATHS } from '../src/api/surface.ts';
import { loadConfig } from '../src/config.ts';
import { authorise, consent, ofRequest } from '../src/domain/consent/decider.ts';
import { grant, open } from '../src/domain/grant/decider.ts';
import type { PsuDirectory } from '../src/domain/ports/psu-directory.ts';
import { startEngine } from '../src/engine.ts';
import { openEvidence } from '../src/serve/evidence.ts';
import { nothingOpened } from '../src/serve/opened.ts';
import { accountOf, CONSENTING_USERS, consentIdOf, type Filling, fillWith, LODGED_BY, tokenOf, userOf } from './filling.ts';
import { announce } from './measure.ts';
import { command, type Metadata, OUTSTANDING_LIMITS, ourTarget, registerClient, registerPhone, registerPhones } from './parties.ts';
import type { Target, TppClients } from './target.ts';

const DEVICES = '/api/users/v1/me/push-auth/devices';

const { values: given } = parseArgs({
  options: {
    'id-token-alg': { type: 'string', default: 'ES256' },
    data: { type: 'string', default: '.' },
    notification: { type: 'string' },
    evidence: { type: 'boolean', default: true },
  },
  allowNegative: true,
});
const inData = (file: string) => join(given.data, file);

const tppKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
const clients: TppClients = {
  secret: { clientId: 'tpp-secret', clientSecret: randomBytes(32).toString('base64url') },
  privateKeyJwt: { clientId: 'tpp-key', jwk: { ...tppKey, kid: 'tpp' } },
  signedRequest: { clientId: 'tpp-fapi', jwk: { ...tppKey, kid: 'tpp' } },
  ping: { clientId: 'tpp-ping', clientSecret: randomBytes(32).toString('base64url') },
  gateway: { clientId: 'gateway', clientSecret: randomBytes(32).toString('base64url') },
};

const directory: PsuDirectory = {
  findByHint: async (hint) => hint,
  hasUserCode: async () => false,
  userCodeFits: async () => false,
  exists: async () => true,
  nameOf: async () => null,
  authenticate: async (username) => username,
  accounts: async (psuId) => [{ accountId: accountOf(psuId), displayName: 'Current account' }],
};

const server = createServer({ keepAliveTimeout: 75_000 }).listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;
const issuer = `http://127.0.0.1:${port}`;
const { config } = loadConfig({ env: {}, cwd: given.data });

const store = sqliteEventStore(inData('log.sqlite'));
const evidence = await openEvidence(
  { ...config, dataDir: given.data, evidence: { ...config.evidence, enabled: given.evidence } },
  { opened: nothingOpened(), say: console.error, onFault: console.error },
  { log: store, master: randomBytes(32) },
);
const sealer = psuKeys(inData('psu-keys.sqlite'), randomBytes(32));
const engine = await startEngine(
  {
    store,
    evidence,
    rows: sqliteRows(inData('read-models.sqlite')),
    auditRows: sqliteRows(inData('audit.sqlite')),
    sealer,
    signer: temporarySigningKeys(),
    jws: jwsReader,
    limits: localLimits(inData('replay.sqlite'), { clock: systemClock }),
    directory,
    loginScript: await openLoginScript(null, { psuChannel: 'bench', onFault: console.error }),
    consentSteps: await openConsentSteps(config.consent.authorizeSteps, { directory, sealer, onFault: console.error }),
    // It keeps nothing, unlike the one in memory: a list of wake-ups would count as memory of requests.
    pushSender: { wake: async () => ({ outcome: 'accepted', messageId: 'bench' }) },
    outbound: outboundClient({ development: true, allowedHosts: given.notification ? [new URL(given.notification).host] : [] }),
    clock: systemClock,
    ids: systemIds,
  },
  {
    config: {
      ...config,
      issuer,
      ciba: { ...config.ciba, defaultExpirySeconds: 3600, maxExpirySeconds: 3600 },
      limits: { ...config.limits, ...OUTSTANDING_LIMITS },
    },
    mtlsBase: issuer,
    certificateOf: () => null,
    onFault: (what, error) => console.error(what, error),
  },
);
server.on('request', engine.listener);

const { crv, x, y } = tppKey;
const keyed = { token_endpoint_auth_method: 'private_key_jwt' as const, jwks: { keys: [{ kty: 'EC' as const, crv, x, y, kid: 'tpp' }] } };
const register = (party: { clientId: string; clientSecret?: string }, metadata: Metadata) =>
  registerClient(engine.decide, party, { id_token_signed_response_alg: given['id-token-alg'] as 'ES256' | 'PS256', ...metadata });
await register(clients.secret, { token_endpoint_auth_method: 'client_secret_post' });
await register(clients.privateKeyJwt, keyed);
await register(clients.signedRequest, {
  ...keyed,
  profile: 'fapi-ciba',
  tls_client_certificate_bound_access_tokens: true,
  backchannel_authentication_request_signing_alg: 'ES256',
});
if (given.notification)
  await register(clients.ping, {
    token_endpoint_auth_method: 'client_secret_post',
    backchannel_token_delivery_mode: 'ping',
    backchannel_client_notification_endpoint: given.notification,
  });
await register(clients.gateway, { token_endpoint_auth_method: 'client_secret_basic', scope: 'consents:validate' });

/** A consent that its PSU has authorised, without the ceremony. */
const authoriseConsent = (n: number) => {
  const consentId = consentIdOf(n);
  const psuId = userOf(n % CONSENTING_USERS);
  const at = systemClock();
  const content = {
    kind: 'account-access' as const,
    permissions: ['ReadBalances'],
    expirationDateTime: null,
    transactionFromDateTime: null,
    transactionToDateTime: null,
  };
  const persisted = { requestId: consentId, psuId, deviceId: null, digest: 'digest', at };
  const lodged = { ...ofRequest({ clientId: LODGED_BY, scope: '', at }), consentType: 'accounts' as const, content };
  const accountIds = [accountOf(psuId)];
  const decision = authorise({ data: persisted, consentRevision: -1, accountIds, authorizationDetails: null, lodged });
  return engine.decide(consent, consentId, decision, command(consentId));
};

/** An access token of a user, with the scope for their own devices. */
const openGrant = async (psuId: string) => {
  const { clientId } = clients.secret;
  const at = systemClock();
  const unbound = { certificateThumbprint: null, dpopKeyThumbprint: null };
  const issued = { scope: 'internal_login', ...unbound, at };
  const opened = { ...issued, clientId, psuId, consentId: null, requestId: null, authTime: at, acr: null, hasAuthorizationDetails: false };
  const accessToken = { ...issued, tokenHash: systemIds.hash(tokenOf(psuId)), expiresAt: at + 86_400 };
  await engine.decide(grant, systemIds.uuid(), open(opened, accessToken, null), command(psuId));
};

const fill = async ({ of, count }: Filling): Promise<void> => {
  const addDevice = (n: number) => Promise.all([registerPhone(engine.decide, userOf(n), 'push-auth'), openGrant(userOf(n))]);
  await fillWith(count, of === 'consents' ? authoriseConsent : addDevice);
  await engine.readModels.latest();
};

const target: Target = {
  issuer,
  ...ourTarget,
  paths: { ...ourTarget.paths, validate: PATHS.consentValidate, devices: DEVICES },
  clients,
  approver: await registerPhones(engine.decide),
};
announce(port, target, { fill });
