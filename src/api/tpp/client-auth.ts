import { timingSafeEqual } from 'node:crypto';
import type { ClientCertificate } from '../../domain/client/certificate.ts';
import { sameSubject } from '../../domain/client/distinguished-name.ts';
import { type ClientMetadata, profileOf } from '../../domain/client/metadata.ts';
import type { AuthMethod, Profile } from '../../domain/client/profiles.ts';
import type { Binding } from '../../domain/grant/binding.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Ids } from '../../domain/ports/clock.ts';
import type { DecodedJws, JwsReader } from '../../domain/ports/jws.ts';
import { type ClientRow, findClient } from '../../projections/client-lookup.ts';
import type { Form } from '../body.ts';
import type { ReadModels } from '../read-models.ts';
import type { FormCall } from '../route.ts';
import type { CheckAssertion } from './assertion.ts';
import type { ClientKeys } from './client-keys.ts';
import type { Dpop } from './dpop.ts';

/** A client that has proved who it is. */
export interface AuthenticatedClient {
  clientId: string;
  metadata: ClientMetadata;
  profile: Profile;
  /** What tokens of this call are bound to: the certificate, if the client is registered so, and the key of a DPoP proof. */
  binding: Binding;
  /** Whether one of the client's keys made the signature. */
  signed(decoded: DecodedJws): Promise<boolean>;
}

/** Authenticates the client of a call at one of our endpoints, or refuses with `invalid_client`. */
export type AuthenticateClient = (call: FormCall) => Promise<AuthenticatedClient>;

type Presented = { clientId: string } & (
  | { method: 'assertion'; assertion: DecodedJws }
  | { method: 'basic' | 'post'; secret: string }
  | { method: 'certificate' }
);

interface KnownClient {
  active: boolean;
  metadata: ClientMetadata;
  profile: Profile;
  secretHash: Buffer | null;
  names(certificate: ClientCertificate): boolean;
}

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const ASSERTION_TYPS = ['jwt', 'client-authentication+jwt'];

/**
 * Client authentication by the method that the client is registered with: `private_key_jwt` (RFC 7523), `tls_client_auth` and
 * `self_signed_tls_client_auth` (RFC 8705, section 2), `client_secret_basic` and `client_secret_post` (RFC 6749, section 2.3.1).
 */
export const makeAuthenticateClient = (deps: {
  readModels: ReadModels;
  jws: JwsReader;
  keys: ClientKeys;
  checkAssertion: CheckAssertion;
  dpop: Dpop;
  ids: Ids;
}): AuthenticateClient => {
  const { readModels, jws, keys, checkAssertion, dpop, ids } = deps;
  const known = new WeakMap<ClientRow, KnownClient>();

  const find = async (clientId: string): Promise<KnownClient | null> => {
    // One that is not here may have been registered at another node a moment ago.
    const row = findClient(readModels.rows, clientId) ?? (await readModels.find((rows) => findClient(rows, clientId)));
    if (row === undefined) return null;
    const prepared = known.get(row) ?? prepare(row);
    known.set(row, prepared);
    return prepared;
  };

  const proves = async (presented: Presented, client: KnownClient, { certificate }: FormCall): Promise<boolean> => {
    const { clientId } = presented;
    const { metadata } = client;
    const method: AuthMethod = metadata.token_endpoint_auth_method;
    switch (presented.method) {
      case 'assertion':
        return method === 'private_key_jwt' && (await checkAssertion(presented.assertion, { clientId, metadata }, ASSERTION_TYPS));
      case 'basic':
      case 'post': {
        const given = Buffer.from(ids.hash(presented.secret));
        return method === `client_secret_${presented.method}` && client.secretHash !== null && timingSafeEqual(client.secretHash, given);
      }
      case 'certificate':
        if (certificate === null) return false;
        if (method === 'tls_client_auth') return certificate.chainTrusted && client.names(certificate);
        if (method !== 'self_signed_tls_client_auth' || certificate.publicKeyThumbprint === null) return false;
        return keys.include({ clientId, metadata }, certificate.publicKeyThumbprint);
    }
  };

  return async (call) => {
    const presented = presentedBy(call, jws);
    const client = await find(presented.clientId);
    if (client === null || !client.active || !(await proves(presented, client, call)))
      throw new OAuthError('invalid_client', 'client authentication failed');
    const { clientId } = presented;
    call.clientId = clientId;
    const { metadata, profile } = client;
    const bound = metadata.tls_client_certificate_bound_access_tokens;
    const proof = await dpop({ proof: call.headers['dpop'], method: call.method, path: call.target });
    return {
      clientId,
      metadata,
      profile,
      binding: { certificateThumbprint: bound ? (call.certificate?.thumbprint ?? null) : null, dpopKeyThumbprint: proof?.jkt ?? null },
      signed: (decoded) => keys.signed({ clientId, metadata }, decoded),
    };
  };
};

/**
 * Refuses a call whose tokens must be bound, by the client's registration or its profile, and that proved no possession (RFC 8705, section
 * 3; RFC 9449, section 5).
 */
export const requireBinding = ({ metadata, profile, binding: { certificateThumbprint, dpopKeyThumbprint } }: AuthenticatedClient): void => {
  if (metadata.tls_client_certificate_bound_access_tokens && certificateThumbprint === null)
    throw new OAuthError('invalid_request', 'tokens of this client are bound to its certificate: present it at the mTLS endpoint');
  if (metadata.dpop_bound_access_tokens && dpopKeyThumbprint === null)
    throw new OAuthError('invalid_dpop_proof', 'tokens of this client are bound by DPoP: send a proof');
  if (profile.senderConstraint !== 'as registered' && certificateThumbprint === null && dpopKeyThumbprint === null)
    throw new OAuthError('invalid_request', 'tokens of this client are bound to a certificate or by DPoP');
};

/** Exactly one way of authentication (RFC 6749, section 2.3). */
const presentedBy = ({ form, headers: { authorization } }: FormCall, jws: JwsReader): Presented => {
  const assertion = form['client_assertion'];
  const secret = form['client_secret'];
  const ways = [authorization, assertion, secret].filter((way) => way !== undefined);
  if (ways.length > 1) throw new OAuthError('invalid_request', 'only one way of client authentication may be used');
  if (authorization !== undefined) return basic(authorization, form);
  if (assertion !== undefined) {
    const decoded = form['client_assertion_type'] === ASSERTION_TYPE ? jws.decode(assertion) : null;
    const subject = decoded?.claims['sub'];
    if (!decoded || typeof subject !== 'string' || (form['client_id'] ?? subject) !== subject)
      throw new OAuthError('invalid_client', 'client authentication failed');
    return { method: 'assertion', clientId: subject, assertion: decoded };
  }
  const clientId = form['client_id'];
  if (clientId === undefined) throw new OAuthError('invalid_client', 'client authentication is missing');
  return secret === undefined ? { method: 'certificate', clientId } : { method: 'post', clientId, secret };
};

const basic = (authorization: string, form: Form): Presented => {
  const failed = () => new OAuthError('invalid_client', 'client authentication failed');
  const [scheme = '', credentials = ''] = authorization.split(' ', 2);
  const text = Buffer.from(credentials, 'base64').toString();
  const colon = text.indexOf(':');
  if (scheme.toLowerCase() !== 'basic' || colon < 1) throw failed();
  try {
    // RFC 6749, section 2.3.1: both parts are form-encoded before they are joined.
    const [clientId, secret] = [text.slice(0, colon), text.slice(colon + 1)].map((part) => decodeURIComponent(part.replaceAll('+', ' ')));
    if (clientId === undefined || secret === undefined || (form['client_id'] ?? clientId) !== clientId) throw failed();
    return { method: 'basic', clientId, secret };
  } catch {
    throw failed();
  }
};

const prepare = ({ metadata, secretHash, status }: ClientRow): KnownClient => ({
  active: status === 'active',
  metadata,
  profile: profileOf(metadata),
  secretHash: secretHash === null ? null : Buffer.from(secretHash),
  names: certificateNames(metadata),
});

/** Whether a certificate has the one name that `tls_client_auth` is registered with (RFC 8705, section 2.1.2). */
const certificateNames = (metadata: ClientMetadata): ((certificate: ClientCertificate) => boolean) => {
  const {
    tls_client_auth_subject_dn: subject,
    tls_client_auth_san_dns: dns,
    tls_client_auth_san_uri: uri,
    tls_client_auth_san_ip: ip,
    tls_client_auth_san_email: email,
  } = metadata;
  if (subject !== null) return (certificate) => sameSubject(certificate.subject, subject);
  if (dns !== null) return ({ sanDns }) => sanDns.includes(dns.toLowerCase());
  if (uri !== null) return ({ sanUri }) => sanUri.includes(uri);
  if (ip !== null) return ({ sanIp }) => sanIp.includes(canonicalIp(ip));
  if (email !== null) return ({ sanEmail }) => sanEmail.includes(email);
  return () => false;
};

/** An address as RFC 5952 writes it, which is how a certificate's addresses are read. */
const canonicalIp = (address: string): string =>
  address.includes(':') ? (URL.parse(`https://[${address}]`)?.hostname.slice(1, -1) ?? '') : address;
