import { createHash, createPublicKey, randomUUID, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as openid from 'openid-client';
import type { z } from 'zod';
import { issueClientCertificate, selfSignedCertificate } from '../../src/adapters/tls/certificates.ts';
import type { Identity } from '../../src/adapters/tls/servers.ts';
import { accountsIn, askForEnrolment, enrol, type Phone } from '../../src/demo/phone.ts';
import { trustingFetch } from '../../src/demo/trusting-fetch.ts';
import { checkMetadata, clientMetadata } from '../../src/domain/client/metadata.ts';
import type { Ports } from '../../src/engine.ts';
import { browser, decide, signIn } from './browser.ts';
import { CALLBACK } from './redirecting.ts';
import { type Served, served } from './served.ts';
import { CONSENTS } from './tpp.ts';

export type TppMetadata = Partial<z.input<typeof clientMetadata>>;
type Verdict = 'approved' | 'denied';

/** A registered client that openid-client plays. */
export interface OpenidTpp {
  config: openid.Configuration;
  clientId: string;
  key: { key: openid.CryptoKey; kid: string };
  identity: Identity | null;
  /** The paths that it has called. */
  calls: readonly string[];
  /** A signed request of CIBA. */
  request(claims: object): Promise<string>;
}

/** An engine as it is served, Alice with a phone and a browser, and the clients that openid-client plays there. */
export interface OpenidStage {
  engine: Served;
  issuer: string;
  /** The authority of the server and of client certificates. */
  ca: string;
  phone: Phone;
  /** A certificate that the engine trusts. */
  identityOf(commonName: string): Promise<Identity>;
  /** Registers a client: of FAPI-CIBA, with `private_key_jwt`, ES256 and a certificate, unless its metadata say something else. */
  tppOf(metadata?: TppMetadata, alg?: 'ES256' | 'PS256'): Promise<OpenidTpp>;
  /** What openid-client knows a client by that connects with this certificate. */
  discovered(clientId: string, auth: openid.ClientAuth, identity?: Identity | null, metadata?: object): Promise<openid.Configuration>;
  /** The phone answers the request that came with this message. */
  answer(bindingMessage: string, verdict?: Verdict): Promise<void>;
  /** The browser follows a link, signs in and answers: where it is sent back to. */
  answeredAt(url: URL, verdict?: Verdict): Promise<URL>;
  close(): Promise<void>;
}

export const openidStage = async (settings: Record<string, string> = {}, instead: Partial<Ports> = {}): Promise<OpenidStage> => {
  const engine = await served(settings, instead);
  try {
    return await staged(engine);
  } catch (error) {
    await engine.serving.close();
    throw error;
  }
};

const staged = async (engine: Served): Promise<OpenidStage> => {
  const { issuer, dataDir } = engine.config;
  const ca = readFileSync(`${dataDir}/tls/ca.pem`, 'utf8');
  const authority = { certificate: ca, key: readFileSync(`${dataDir}/tls/ca.key`, 'utf8') };
  const [alice = { username: '', password: '' }] = engine.serving.sandbox?.psus ?? [];
  const fetch = trustingFetch(ca);
  const phone = await enrol(fetch, await askForEnrolment(fetch, issuer, alice), { alg: 'EdDSA' });
  const identityOf = (commonName: string) => issueClientCertificate(authority, { commonName, organization: 'TPP' }, now());

  const discovered: OpenidStage['discovered'] = (clientId, auth, identity = null, metadata = {}) =>
    openid.discovery(
      new URL(issuer),
      clientId,
      { use_mtls_endpoint_aliases: identity !== null, id_token_signed_response_alg: 'ES256', ...metadata },
      auth,
      { [openid.customFetch]: trustingFetch(ca, identity) as openid.CustomFetch },
    );

  return {
    ...{ engine, issuer, ca, phone, identityOf, discovered },
    async tppOf(metadata = {}, alg = 'ES256') {
      const { token_endpoint_auth_method: method = 'private_key_jwt', dpop_bound_access_tokens: byDpop = false } = metadata;
      const name = `TPP ${randomUUID()}`;
      const selfSigned = method === 'self_signed_tls_client_auth' ? await selfSignedCertificate({ commonName: name }, now()) : null;
      const identity = byDpop ? null : (selfSigned ?? (await identityOf(name)));
      const { publicKey, privateKey } = await generateKeyPair(alg);
      const key = { key: privateKey, kid: 'tpp-1' };
      const certificateKey = selfSigned === null ? [] : [createPublicKey(selfSigned.certificate).export({ format: 'jwk' })];
      const full = {
        client_name: name,
        token_endpoint_auth_method: method,
        jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: key.kid }, ...certificateKey] as { kty: 'EC' | 'RSA' }[] },
        tls_client_certificate_bound_access_tokens: !byDpop,
        ...(method === 'tls_client_auth' && { tls_client_auth_subject_dn: `CN=${name},O=TPP` }),
        ...metadata,
      };
      const clientId = await engine.client(checkMetadata(clientMetadata.parse(full)));
      const auth = method === 'private_key_jwt' ? openid.PrivateKeyJwt(key) : openid.TlsClientAuth();
      const { id_token_signed_response_alg, userinfo_signed_response_alg } = metadata;
      const config = await discovered(clientId, auth, identity, {
        authorization_signed_response_alg: 'ES256',
        ...(id_token_signed_response_alg !== undefined && { id_token_signed_response_alg }),
        ...(userinfo_signed_response_alg !== undefined && { userinfo_signed_response_alg }),
      });
      const calls: string[] = [];
      const send = trustingFetch(ca, identity) as openid.CustomFetch;
      config[openid.customFetch] = (url, init) => {
        calls.push(new URL(url).pathname);
        return send(url, init);
      };
      const request: OpenidTpp['request'] = (claims) =>
        new SignJWT({ ...claims })
          .setProtectedHeader({ alg, kid: key.kid, typ: 'oauth-authz-req+jwt' })
          .setIssuer(clientId)
          .setAudience(issuer)
          .setIssuedAt()
          .setNotBefore('0s')
          .setExpirationTime('5m')
          .setJti(randomUUID())
          .sign(privateKey);
      return { config, clientId, key, identity, calls, request };
    },
    async answer(bindingMessage, verdict = 'approved') {
      const request = (await phone.requests()).find((waiting) => waiting.binding_message === bindingMessage);
      const shown = await phone.retrieve(request?.request_id ?? '');
      await phone.send(shown.request_id, await phone.sign(shown, verdict, verdict === 'approved' ? accountsIn(shown) : []));
    },
    async answeredAt(url, verdict = 'approved') {
      const at = browser(issuer, trustingFetch(ca) as Parameters<typeof browser>[1]);
      const page = await signIn(at, await at.get(url.href), alice.username, alice.password);
      return new URL((await decide(at, page, verdict)).goesTo ?? '');
    },
    close: () => engine.serving.close(),
  };
};

const now = () => Math.floor(Date.now() / 1000);

/** A CIBA client's request for Alice's consent. */
export const cibaParameters = (bindingMessage: string) => ({
  scope: 'openid accounts',
  login_hint: 'alice',
  binding_message: bindingMessage,
});

/** The parameters of an authorization request with PKCE, and what openid-client is to check in the answer to it. */
export const authorizationParameters = async (more: Record<string, string> = {}) => {
  const pkceCodeVerifier = openid.randomPKCECodeVerifier();
  const parameters = {
    redirect_uri: CALLBACK,
    scope: 'openid accounts',
    state: openid.randomState(),
    nonce: openid.randomNonce(),
    code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    ...more,
  };
  return { parameters, checks: { pkceCodeVerifier, expectedState: parameters.state, expectedNonce: parameters.nonce } };
};

/** Lodges a consent with a token of the client's own, and gives how to read its status. */
export const lodgeConsent = async ({ config }: OpenidTpp, options: openid.DPoPOptions = {}) => {
  const own = await openid.clientCredentialsGrant(config, { scope: 'accounts' }, options);
  const { mtls_endpoint_aliases: aliases, issuer } = config.serverMetadata();
  const base = config.clientMetadata().use_mtls_endpoint_aliases ? aliases?.token_endpoint : issuer;
  const call = async (path: string, method: string, body?: string) => {
    const headers = new Headers(body === undefined ? {} : { 'content-type': 'application/json' });
    const response = await openid.fetchProtectedResource(config, own.access_token, new URL(path, base), method, body, headers, options);
    return ((await response.json()) as { Data: { ConsentId: string; Status: string } }).Data;
  };
  const { ConsentId: consentId } = await call(CONSENTS, 'POST', JSON.stringify({ Data: { Permissions: ['ReadBalances'] }, Risk: {} }));
  return { consentId, status: async () => (await call(`${CONSENTS}/${consentId}`, 'GET')).Status };
};

/** `x5t#S256` of a certificate. */
export const thumbprintOf = ({ certificate }: Identity): string =>
  createHash('sha256').update(new X509Certificate(certificate).raw).digest('base64url');

/** What an access token says that it is bound to. */
export const boundTo = (accessToken: string): unknown =>
  JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString()).cnf;
