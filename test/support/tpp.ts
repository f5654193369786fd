import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import { systemIds } from '../../src/adapters/clock.ts';
import { requestIdOf } from '../../src/domain/ciba-request/id.ts';
import type { ClientCertificate } from '../../src/domain/client/certificate.ts';
import type { clientMetadata } from '../../src/domain/client/metadata.ts';
import type { TestEngine } from './engine.ts';
import { signJws, type TestKey, testKey } from './jws.ts';

type Metadata = Partial<z.input<typeof clientMetadata>>;
type Form = Record<string, string>;

export const CONSENTS = '/open-banking/v3.1/aisp/account-access-consents';
export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** A client certificate as the connection would show it. */
export const certificate = (content: Partial<ClientCertificate> = {}): ClientCertificate => ({
  thumbprint: 'certificate-1',
  publicKeyThumbprint: null,
  chainTrusted: true,
  subject: 'CN=tpp',
  sanDns: [],
  sanUri: [],
  sanIp: [],
  sanEmail: [],
  notBefore: 0,
  notAfter: Number.MAX_SAFE_INTEGER,
  ...content,
});

/** The header that makes a call come with a certificate. */
export const withCertificate = (shown: ClientCertificate): Form => ({ 'x-test-certificate': JSON.stringify(shown) });

/** A client of the plain profile: the form parameters that authenticate it. */
export const secretTpp = async (tested: TestEngine, metadata: Metadata = {}): Promise<{ client_id: string; client_secret: string }> => ({
  client_id: await tested.client(metadata, 's3cret'),
  client_secret: 's3cret',
});

/** A client that signs: with `private_key_jwt`, and its request objects. Claims and headers that are given replace the right ones. */
export interface SigningTpp {
  clientId: string;
  key: TestKey;
  assertion(claims?: object, header?: object, key?: TestKey): Promise<string>;
  /** The form parameters around an assertion. */
  authenticatedBy(assertion: string): Form;
  /** The form parameters that authenticate it, once. */
  authentication(): Promise<Form>;
  requestObject(claims?: object, header?: object, key?: TestKey): Promise<string>;
}

export const signingTpp = async (tested: TestEngine, metadata: Metadata = {}, key: TestKey = testKey('ES256')): Promise<SigningTpp> => {
  const { url, ports } = tested;
  const clientId = await tested.client({
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [key.publicJwk] },
    ...metadata,
  });
  const authenticatedBy = (assertion: string) => ({ client_assertion_type: ASSERTION_TYPE, client_assertion: assertion });
  const assertion: SigningTpp['assertion'] = (claims = {}, header = {}, signer = key) =>
    signJws(signer, { iss: clientId, sub: clientId, aud: url, jti: randomUUID(), exp: ports.clock() + 60, ...claims }, header);
  return {
    clientId,
    key,
    assertion,
    authenticatedBy,
    authentication: async () => authenticatedBy(await assertion()),
    requestObject: (claims = {}, header = {}, signer = key) => {
      const at = ports.clock();
      const required = { iss: clientId, aud: url, jti: randomUUID(), iat: at, nbf: at, exp: at + 300 };
      return signJws(signer, { ...required, scope: 'openid accounts', login_hint: 'alice', ...claims }, header);
    },
  };
};

const accepted = async (reply: ReturnType<TestEngine['post']>): Promise<Record<string, unknown>> => {
  const { status, body } = await reply;
  if (status >= 300) throw new Error(`${status} ${JSON.stringify(body)}`);
  return body;
};

/** A token of the client's own. */
export const ownToken = async (tested: TestEngine, auth: Form, headers: Form = {}): Promise<string> => {
  const body = await accepted(tested.post('/oauth2/token', { ...auth, grant_type: 'client_credentials', scope: 'accounts' }, headers));
  return String(body['access_token']);
};

/** Lodges an account access consent and gives its id. */
export const lodge = async (tested: TestEngine, auth: Form, data: object = {}): Promise<string> => {
  const response = await fetch(tested.url + CONSENTS, {
    method: 'POST',
    headers: { authorization: `Bearer ${await ownToken(tested, auth)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ Data: { Permissions: ['ReadBalances'], ...data }, Risk: {} }),
  });
  const body = (await response.json()) as { Data: { ConsentId: string } };
  return body.Data.ConsentId;
};

/** A CIBA request that was accepted, under both its names: the TPP's and the phone's. */
export const ask = async (tested: TestEngine, auth: Form, parameters: Form = {}, headers: Form = {}) => {
  const form = { ...auth, ...('request' in parameters ? {} : { scope: 'openid accounts', login_hint: 'alice' }), ...parameters };
  const body = await accepted(tested.post('/oauth2/ciba', form, headers));
  const authReqId = String(body['auth_req_id']);
  return { authReqId, requestId: requestIdOf(authReqId, systemIds), expiresIn: Number(body['expires_in']) };
};
