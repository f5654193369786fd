import { createPublicKey, randomUUID } from 'node:crypto';
import type { z } from 'zod';
import { issueClientCertificate, selfSignedCertificate } from '../../../src/adapters/tls/certificates.ts';
import type { Identity } from '../../../src/adapters/tls/servers.ts';
import { CIBA_GRANT, checkMetadata, clientMetadata } from '../../../src/domain/client/metadata.ts';
import { signJws, type TestKey, testKey } from '../../support/jws.ts';
import { ASSERTION_TYPE } from '../../support/tpp.ts';
import type { Answer, Form, Wire } from './wire.ts';

type Metadata = Partial<z.input<typeof clientMetadata>>;

/** How a call differs from what the client would honestly send. */
export interface Otherwise {
  identity?: Identity | null;
  headers?: Record<string, string>;
  listener?: 'plain' | 'mtls';
  /** Replaces the parameters that authenticate the client. */
  auth?: Form;
}

/** A registered client and everything it can send. Claims and headers that are given replace the right ones; undefined leaves one out. */
export interface Tpp {
  wire: Wire;
  clientId: string;
  key: TestKey;
  identity: Identity | null;
  assertion(claims?: object, header?: object, key?: TestKey): Promise<string>;
  /** The form parameters that authenticate it, once. */
  auth(claims?: object, header?: object, key?: TestKey): Promise<Form>;
  /** A request object of the claims that every one needs, and those that are given. */
  request(claims?: object, header?: object, key?: TestKey): Promise<string>;
  /** An authentication request with this form besides the authentication. */
  ask(form: Form, otherwise?: Otherwise): Promise<Answer>;
  /** A signed authentication request. */
  asks(claims?: object, otherwise?: Otherwise): Promise<Answer>;
  token(form: Form, otherwise?: Otherwise): Promise<Answer>;
  poll(authReqId: string, otherwise?: Otherwise): Promise<Answer>;
  /** An own token with the scope. */
  own(scope?: string): Promise<string>;
  /** Asks, Alice approves, and the tokens come. */
  ceremony(claims?: object): Promise<{ authReqId: string; tokens: Answer }>;
  post(endpoint: string, form: Form, otherwise?: Otherwise): Promise<Answer>;
}

const SECRET = 's3cret-of-the-test';

export const CIBA = { scope: 'openid accounts', login_hint: 'alice' };

/** Registers a client, as the operator would: FAPI-CIBA with `private_key_jwt` and ES256 unless something else is said. */
export const registerTpp = async (wire: Wire, metadata: Metadata = {}, alg: 'ES256' | 'PS256' | 'EdDSA' = 'ES256'): Promise<Tpp> => {
  const method = metadata.token_endpoint_auth_method ?? 'private_key_jwt';
  const name = `TPP ${randomUUID()}`;
  const identity =
    method === 'self_signed_tls_client_auth'
      ? await selfSignedCertificate({ commonName: name }, wire.now())
      : await issueClientCertificate(wire.authority, { commonName: name }, wire.now());
  const key = testKey(alg);
  const certificateKey = method === 'self_signed_tls_client_auth' ? [createPublicKey(identity.certificate).export({ format: 'jwk' })] : [];
  const bySecret = method.startsWith('client_secret');
  const full = clientMetadata.parse({
    client_name: name,
    token_endpoint_auth_method: method,
    ...(!('jwks' in metadata || 'jwks_uri' in metadata) && { jwks: { keys: [key.publicJwk, ...certificateKey] } }),
    ...(method === 'tls_client_auth' && { tls_client_auth_subject_dn: `CN=${name}` }),
    ...(bySecret && { profile: 'plain', tls_client_certificate_bound_access_tokens: false }),
    ...metadata,
  });
  const clientId = await wire.served.client(checkMetadata(full), bySecret ? SECRET : undefined);

  const sign = (claims: object, header: object, signer: TestKey) => signJws(signer, claims, header);
  const assertion: Tpp['assertion'] = (claims = {}, header = {}, signer = key) =>
    sign(
      { iss: clientId, sub: clientId, aud: wire.issuer, jti: randomUUID(), iat: wire.now(), exp: wire.now() + 60, ...claims },
      header,
      signer,
    );
  const auth: Tpp['auth'] = async (claims, header, signer) => {
    if (method === 'client_secret_post') return { client_id: clientId, client_secret: SECRET };
    if (method !== 'private_key_jwt') return { client_id: clientId };
    return { client_assertion_type: ASSERTION_TYPE, client_assertion: await assertion(claims, header, signer) };
  };
  const basic: Form = method === 'client_secret_basic' ? { authorization: `Basic ${btoa(`${clientId}:${SECRET}`)}` } : {};
  const post: Tpp['post'] = async (endpoint, form, { identity: shown = identity, headers = {}, listener = 'mtls', auth: given } = {}) => {
    const proof = given ?? (method === 'client_secret_basic' ? {} : await auth());
    return wire.send(wire.endpoint(endpoint, listener), {
      form: { ...proof, ...form },
      headers: { ...basic, ...headers },
      identity: shown,
    });
  };
  const request: Tpp['request'] = (claims = {}, header = {}, signer = key) => {
    const at = wire.now();
    return sign({ iss: clientId, aud: wire.issuer, jti: randomUUID(), iat: at, nbf: at, exp: at + 300, ...claims }, header, signer);
  };
  const ask: Tpp['ask'] = (form, otherwise) => post('backchannel_authentication_endpoint', form, otherwise);
  const asks: Tpp['asks'] = async (claims = {}, otherwise) => ask({ request: await request({ ...CIBA, ...claims }) }, otherwise);
  const token: Tpp['token'] = (form, otherwise) => post('token_endpoint', form, otherwise);
  const poll: Tpp['poll'] = (authReqId, otherwise) => token({ grant_type: CIBA_GRANT, auth_req_id: authReqId }, otherwise);
  return {
    ...{ wire, clientId, key, identity, assertion, auth, request, ask, asks, token, poll, post },
    own: async (scope = 'accounts') => String(good(await token({ grant_type: 'client_credentials', scope })).body['access_token']),
    async ceremony(claims) {
      const authReqId = String(good(await asks(claims)).body['auth_req_id']);
      await wire.answer(authReqId, 'approved');
      return { authReqId, tokens: good(await poll(authReqId)) };
    },
  };
};

/** The answer, if it is a success; otherwise it is thrown with all that it says. */
export const good = (answer: Answer): Answer => {
  if (answer.status >= 300) throw new Error(`${answer.status} ${answer.text}`);
  return answer;
};
