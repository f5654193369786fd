import { timingSafeEqual } from 'node:crypto';
import * as z from 'zod';
import type { ClientCertificate } from '../../domain/client/certificate.ts';
import { sameSubject } from '../../domain/client/distinguished-name.ts';
import { type ClientMetadata, profileOf } from '../../domain/client/metadata.ts';
import type { AuthMethod, Profile } from '../../domain/client/profiles.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { DecodedJws, JwsReader, PublicKey } from '../../domain/ports/jws.ts';
import type { ReplayGuard } from '../../domain/ports/replay-guard.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import { type ClientRow, findClient } from '../../projections/client-lookup.ts';
import type { Form } from '../body.ts';
import type { FormCall } from '../route.ts';
import { PATHS, type Surface } from '../surface.ts';

/** A client that has proved who it is. */
export interface AuthenticatedClient {
  clientId: string;
  metadata: ClientMetadata;
  profile: Profile;
  keys: readonly PublicKey[];
  /** `x5t#S256` of the certificate that tokens of this call are bound to, or null. */
  certificateThumbprint: string | null;
}

/** Authenticates the client of a call at one of our endpoints, or refuses with `invalid_client`. */
export type AuthenticateClient = (call: FormCall) => Promise<AuthenticatedClient>;

interface Presented {
  method: 'assertion' | 'basic' | 'post' | 'certificate';
  clientId: string;
  credential: string;
}

interface KnownClient {
  active: boolean;
  metadata: ClientMetadata;
  secretHash: Buffer | null;
  keys: readonly PublicKey[];
}

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const SKEW_SECONDS = 60;

const assertionClaims = z.object({
  iss: z.string(),
  sub: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
  exp: z.number(),
  iat: z.number().optional(),
  nbf: z.number().optional(),
  jti: z.string().min(1).max(256),
});

/**
 * Client authentication by the method that the client is registered with: `private_key_jwt` (RFC 7523), `tls_client_auth` and
 * `self_signed_tls_client_auth` (RFC 8705, section 2), `client_secret_basic` and `client_secret_post` (RFC 6749, section 2.3.1).
 */
export const makeAuthenticateClient = (deps: {
  rows: Rows;
  jws: JwsReader;
  replayGuard: ReplayGuard;
  clock: Clock;
  ids: Ids;
  surface: Surface;
  assertionSeconds: number;
}): AuthenticateClient => {
  const { rows, jws, replayGuard, clock, ids, surface, assertionSeconds } = deps;
  const audiences = audiencesOf(surface);
  const known = new WeakMap<ClientRow, KnownClient>();

  const find = (clientId: string): KnownClient | null => {
    const row = findClient(rows, clientId);
    if (row === undefined) return null;
    const prepared = known.get(row) ?? prepare(row, jws);
    known.set(row, prepared);
    return prepared;
  };

  const assertionIsGood = async (decoded: DecodedJws, clientId: string, client: KnownClient): Promise<boolean> => {
    const { success, data: claims } = assertionClaims.safeParse(decoded.claims);
    const registeredAlg = client.metadata.token_endpoint_auth_signing_alg;
    const { alg, typ } = decoded.header;
    // RFC 8725, section 3.11: what says that it is something else is no assertion.
    if (typ !== null && !['jwt', 'client-authentication+jwt'].includes(typ.toLowerCase())) return false;
    if (!success || !profileOf(client.metadata).signingAlgs.includes(alg) || (registeredAlg !== null && alg !== registeredAlg))
      return false;
    const at = clock();
    if (claims.iss !== clientId || claims.sub !== clientId || ![claims.aud].flat().some((aud) => audiences.has(aud))) return false;
    if (claims.exp <= at || claims.exp > at + assertionSeconds + SKEW_SECONDS) return false;
    if (Math.max(claims.nbf ?? 0, claims.iat ?? 0) > at + SKEW_SECONDS) return false;
    if (!signedByOneOf(decoded, client.keys)) return false;
    return replayGuard.firstUse(ids.hash(`client_assertion\n${clientId}\n${claims.jti}`), Math.ceil(claims.exp));
  };

  const proves = async (presented: Presented, client: KnownClient, { certificate }: FormCall): Promise<boolean> => {
    const method: AuthMethod = client.metadata.token_endpoint_auth_method;
    switch (presented.method) {
      case 'assertion': {
        const decoded = method === 'private_key_jwt' ? jws.decode(presented.credential) : null;
        return decoded !== null && (await assertionIsGood(decoded, presented.clientId, client));
      }
      case 'basic':
      case 'post': {
        const given = Buffer.from(ids.hash(presented.credential));
        return method === `client_secret_${presented.method}` && client.secretHash !== null && timingSafeEqual(client.secretHash, given);
      }
      case 'certificate':
        return certificate !== null && certificateProves(certificate, client);
    }
  };

  return async (call) => {
    const presented = presentedBy(call, jws);
    const client = find(presented.clientId);
    if (client === null || !client.active || !(await proves(presented, client, call)))
      throw new OAuthError('invalid_client', 'client authentication failed');
    const { metadata, keys } = client;
    const bound = metadata.tls_client_certificate_bound_access_tokens;
    return {
      clientId: presented.clientId,
      metadata,
      profile: profileOf(metadata),
      keys,
      certificateThumbprint: bound ? (call.certificate?.thumbprint ?? null) : null,
    };
  };
};

/** Refuses a call whose tokens must be bound to a certificate and that came without one (RFC 8705, section 3). */
export const requireCertificate = ({ metadata, certificateThumbprint }: AuthenticatedClient): void => {
  if (metadata.tls_client_certificate_bound_access_tokens && certificateThumbprint === null)
    throw new OAuthError('invalid_request', 'tokens of this client are bound to its certificate: present it at the mTLS endpoint');
};

/** Whether one of the client's keys made the signature; a `kid` in the header narrows the choice. */
export const signedByOneOf = (decoded: DecodedJws, keys: readonly PublicKey[]): boolean => {
  const { kid } = decoded.header;
  return keys.some((key) => (kid === null || key.kid === null || key.kid === kid) && decoded.verify(key));
};

// CIBA Core 1.0, section 7.1, and RFC 7523, section 3: the issuer, the token endpoint or the endpoint itself, by either listener.
const audiencesOf = ({ issuer, mtlsBase }: Surface): ReadonlySet<string> => {
  const paths = [PATHS.token, PATHS.backchannelAuthentication, PATHS.introspection, PATHS.revocation];
  return new Set([issuer, `${issuer}/`, ...[issuer, mtlsBase].flatMap((base) => paths.map((path) => base + path))]);
};

/** Exactly one way of authentication (RFC 6749, section 2.3). */
const presentedBy = ({ form, headers: { authorization } }: FormCall, jws: JwsReader): Presented => {
  const assertion = form['client_assertion'];
  const secret = form['client_secret'];
  const ways = [authorization, assertion, secret].filter((way) => way !== undefined);
  if (ways.length > 1) throw new OAuthError('invalid_request', 'only one way of client authentication may be used');
  if (authorization !== undefined) return basic(authorization, form);
  if (assertion !== undefined) {
    const subject = form['client_assertion_type'] === ASSERTION_TYPE ? jws.decode(assertion)?.claims['sub'] : undefined;
    if (typeof subject !== 'string' || (form['client_id'] ?? subject) !== subject)
      throw new OAuthError('invalid_client', 'client authentication failed');
    return { method: 'assertion', clientId: subject, credential: assertion };
  }
  const clientId = form['client_id'];
  if (clientId === undefined) throw new OAuthError('invalid_client', 'client authentication is missing');
  return secret === undefined ? { method: 'certificate', clientId, credential: '' } : { method: 'post', clientId, credential: secret };
};

const basic = (authorization: string, form: Form): Presented => {
  const failed = () => new OAuthError('invalid_client', 'client authentication failed');
  const [scheme = '', credentials = ''] = authorization.split(' ', 2);
  const text = Buffer.from(credentials, 'base64').toString();
  const colon = text.indexOf(':');
  if (scheme.toLowerCase() !== 'basic' || colon < 1) throw failed();
  try {
    // RFC 6749, section 2.3.1: both parts are form-encoded before they are joined.
    const [clientId, credential] = [text.slice(0, colon), text.slice(colon + 1)].map((part) =>
      decodeURIComponent(part.replaceAll('+', ' ')),
    );
    if (clientId === undefined || credential === undefined || (form['client_id'] ?? clientId) !== clientId) throw failed();
    return { method: 'basic', clientId, credential };
  } catch {
    throw failed();
  }
};

const certificateProves = (certificate: ClientCertificate, { metadata, keys }: KnownClient): boolean => {
  switch (metadata.token_endpoint_auth_method) {
    case 'tls_client_auth':
      return certificate.chainTrusted && sameSubject(certificate.subject, metadata.tls_client_auth_subject_dn ?? '');
    case 'self_signed_tls_client_auth':
      return certificate.publicKeyThumbprint !== null && keys.some(({ thumbprint }) => thumbprint === certificate.publicKeyThumbprint);
    default:
      return false;
  }
};

const prepare = ({ metadata, secretHash, status }: ClientRow, jws: JwsReader): KnownClient => ({
  active: status === 'active',
  metadata,
  secretHash: secretHash === null ? null : Buffer.from(secretHash),
  keys: (metadata.jwks?.keys ?? []).flatMap((jwk) => importable(jws, jwk)),
});

// A key that cannot be used (an encryption key, an algorithm of tomorrow) must not spoil the others.
const importable = (jws: JwsReader, jwk: Record<string, unknown>): PublicKey[] => {
  if (jwk['use'] === 'enc') return [];
  try {
    return [jws.publicKey(jwk)];
  } catch {
    return [];
  }
};
