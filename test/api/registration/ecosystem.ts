import { randomUUID } from 'node:crypto';
import { outboundClient } from '../../../src/adapters/outbound/outbound.ts';
import type { Outbound } from '../../../src/domain/ports/outbound.ts';
import { startHttps, testIdentity } from '../../adapters/outbound/hosts.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { sendJson } from '../../support/http.ts';
import { signJws, type TestKey, testKey } from '../../support/jws.ts';

export const REGISTER = '/open-banking/0.1/register';

const now = () => Math.floor(Date.now() / 1000);

/** A directory that signs software statements, and the host of the software that they are about. */
export interface Ecosystem {
  /** Where both are served. */
  base: string;
  jwksUri: string;
  directoryKey: TestKey;
  softwareKey: TestKey;
  /** All that each of them signs with. */
  directoryKeys: Record<'ES256' | 'PS256', TestKey>;
  softwareKeys: Record<'ES256' | 'PS256', TestKey>;
  /** The key of another directory, that of production, which is served beside the first. */
  productionKey: TestKey;
  /** The calls that came, by path. */
  calls: string[];
  outbound: Outbound;
  settings: Record<string, string>;
  /** A statement of the directory in the words of Open Banking; a claim that is undefined is left out. */
  statement(claims?: object, key?: TestKey, header?: object): Promise<string>;
  /** A request that the software signs. */
  request(tested: TestEngine, claims?: object, key?: TestKey, header?: object): Promise<string>;
  close(): Promise<void>;
}

export const startEcosystem = async (): Promise<Ecosystem> => {
  const identity = await testIdentity();
  const directoryKeys = { PS256: testKey('PS256', 'directory'), ES256: testKey('ES256', 'directory-2') };
  const softwareKeys = { ES256: testKey('ES256', 'software'), PS256: testKey('PS256', 'software-2') };
  const [directoryKey, softwareKey] = [directoryKeys.PS256, softwareKeys.ES256];
  const productionKey = testKey('PS256', 'production directory');
  const served: Record<string, TestKey[]> = {
    '/directory': Object.values(directoryKeys),
    '/production': [productionKey],
    '/software': Object.values(softwareKeys),
  };
  const calls: string[] = [];
  const host = await startHttps(identity, (req, res) => {
    const keys = served[req.url ?? ''];
    calls.push(req.url ?? '');
    res.writeHead(keys === undefined ? 404 : 200, { 'content-type': 'application/json' });
    res.end(JSON.stringify({ keys: (keys ?? []).map(({ publicJwk }) => publicJwk) }));
  });
  const base = `https://127.0.0.1:${host.port}`;
  return {
    base,
    jwksUri: `${base}/software`,
    ...{ directoryKey, softwareKey, directoryKeys, softwareKeys, productionKey },
    calls,
    outbound: outboundClient({ development: true, allowedHosts: [`127.0.0.1:${host.port}`], ca: identity.ca }),
    settings: {
      COUNTERSIGN_REGISTRATION_ENABLED: 'true',
      COUNTERSIGN_REGISTRATION_PER_MINUTE: '100000',
      COUNTERSIGN_REGISTRATION_SANDBOX_JWKS_URL: `${base}/directory`,
    },
    statement: (claims = {}, key = directoryKey, header = {}) =>
      signJws(
        key,
        {
          iss: 'The Directory',
          iat: now(),
          jti: randomUUID(),
          software_environment: 'sandbox',
          software_id: 'software-1',
          software_client_name: 'The Software',
          software_version: 1.5,
          software_redirect_uris: ['https://tpp.example/callback', 'https://tpp.example/other'],
          software_jwks_endpoint: `${base}/software`,
          software_logo_uri: '',
          org_status: 'Active',
          ...claims,
        },
        header,
      ),
    request: (tested, claims = {}, key = softwareKey, header = {}) =>
      signJws(
        key,
        {
          iss: 'software-1',
          aud: tested.url,
          iat: now(),
          exp: now() + 300,
          jti: randomUUID(),
          token_endpoint_auth_method: 'private_key_jwt',
          grant_types: ['client_credentials', 'urn:openid:params:grant-type:ciba'],
          ...claims,
        },
        header,
      ),
    close: () => host.close(),
  };
};

/** An engine that belongs to the ecosystem. */
export const engineIn = ({ outbound, settings }: Ecosystem, more: Record<string, string> = {}): Promise<TestEngine> =>
  testEngine({ outbound }, { ...settings, ...more });

/** Sends a request in JSON, or as it was signed. */
export const sendRegistration = (
  tested: TestEngine,
  body: object | string,
  { method = 'POST', path = REGISTER, headers = {} }: { method?: string; path?: string; headers?: Record<string, string> } = {},
): Promise<Response> =>
  sendJson(tested, method, path, body, { ...(typeof body === 'string' && { 'content-type': 'application/jwt' }), ...headers });

/** The client information of a registration that was accepted. */
export const registered = async (reply: Promise<Response>, status = 201): Promise<Record<string, string>> => {
  const response = await reply;
  const body = await response.json();
  if (response.status !== status) throw new Error(`${response.status} ${JSON.stringify(body)}`);
  return body as Record<string, string>;
};

export const bearer = (token: string | undefined): Record<string, string> => ({ authorization: `Bearer ${token}` });
