import { hash } from 'node:crypto';
import type { AuthorizationDetail } from '../../domain/authorization-details/detail-type.ts';
import type { ClientMetadata } from '../../domain/client/metadata.ts';
import { type Binding, confirmation, tokenType } from '../../domain/grant/binding.ts';
import type { Ids } from '../../domain/ports/clock.ts';
import type { Signer } from '../../domain/ports/signer.ts';

export interface TokenSettings {
  issuer: string;
  /** `aud` of access tokens: the resource servers of the ASPSP. */
  audience: string;
  /** The claim of access tokens that holds the id of the consent. */
  consentIdClaim: string;
  accessTokenSeconds: number;
  idTokenSeconds: number;
  refreshTokenSeconds: number;
}

/** What an access token says (RFC 9068, section 2.2). */
export interface AccessTokenContent {
  clientId: string;
  /** The PSU, or the client itself for a token of its own. */
  subject: string;
  scope: string;
  consentId: string | null;
  authTime: number | null;
  acr: string | null;
  /** What was approved of the authorization details (RFC 9396, section 9.1), or null where none were asked for. */
  authorizationDetails: readonly AuthorizationDetail[] | null;
  binding: Binding;
  at: number;
  /** The end of the consent behind it, which it must not outlive, or null. */
  consentExpiresAt: number | null;
}

/** A token that was made: the text goes to the client, the fact into the log. */
export interface MintedToken {
  token: string;
  fact: { tokenHash: string; at: number; expiresAt: number };
}

/** Makes tokens. None is good before its fact has been recorded. */
export const makeTokens = ({ signer, ids, settings }: { signer: Signer; ids: Ids; settings: TokenSettings }) => ({
  settings,

  /** A JWT access token, signed with the algorithm that the client's ID tokens have. */
  async accessToken(content: AccessTokenContent, { id_token_signed_response_alg: alg }: ClientMetadata): Promise<MintedToken> {
    const expiresAt = Math.min(content.at + settings.accessTokenSeconds, content.consentExpiresAt ?? Number.POSITIVE_INFINITY);
    const token = await signer.sign(alg, 'at+jwt', {
      iss: settings.issuer,
      aud: settings.audience,
      sub: content.subject,
      client_id: content.clientId,
      scope: content.scope,
      jti: ids.uuid(),
      iat: content.at,
      exp: expiresAt,
      ...(content.authTime !== null && { auth_time: content.authTime }),
      ...(content.acr !== null && { acr: content.acr }),
      ...(content.consentId !== null && { [settings.consentIdClaim]: content.consentId }),
      ...(content.authorizationDetails !== null && { authorization_details: content.authorizationDetails }),
      ...confirmation(content.binding),
    });
    return { token, fact: { tokenHash: ids.hash(token), at: content.at, expiresAt } };
  },

  /** A refresh token names its grant, so that it is judged on the grant's own stream. */
  refreshToken(grantId: string, at: number): MintedToken {
    const token = `${grantId}.${ids.secret()}`;
    return { token, fact: { tokenHash: ids.hash(token), at, expiresAt: at + settings.refreshTokenSeconds } };
  },

  /**
   * The successor of a refresh token. It follows from that token and a nonce of the log, so that a retry gets the same one from any node
   * and neither a stolen old token nor the log alone leads to it.
   */
  successorOf(refreshToken: string, nonce: string): { token: string; tokenHash: string } {
    const token = `${grantIdOf(refreshToken)}.${ids.hash(`${nonce}.${refreshToken}`)}`;
    return { token, tokenHash: ids.hash(token) };
  },

  /** An ID token (OpenID Connect Core 1.0, section 2; the claims of CIBA Core 1.0, section 10.3.1, which say what it was issued with). */
  idToken(
    { clientId, subject, consentId, authTime, acr, at }: AccessTokenContent,
    issued: { authReqId?: string; nonce?: string | null; accessToken: string; refreshToken: string | null },
    { id_token_signed_response_alg: alg }: ClientMetadata,
  ): Promise<string> {
    return signer.sign(alg, 'JWT', {
      iss: settings.issuer,
      sub: subject,
      aud: clientId,
      iat: at,
      exp: at + settings.idTokenSeconds,
      ...(authTime !== null && { auth_time: authTime }),
      ...(acr !== null && { acr }),
      ...(consentId !== null && { openbanking_intent_id: consentId }),
      at_hash: leftHalf(issued.accessToken),
      ...(issued.refreshToken !== null && { 'urn:openid:params:jwt:claim:rt_hash': leftHalf(issued.refreshToken) }),
      ...(issued.authReqId !== undefined && { 'urn:openid:params:jwt:claim:auth_req_id': issued.authReqId }),
      ...(typeof issued.nonce === 'string' && { nonce: issued.nonce }),
    });
  },
});
export type Tokens = ReturnType<typeof makeTokens>;

/** The token response of every grant (RFC 6749, section 5.1): what is null or left out is not in it. */
export const tokenResponse = (
  { token, fact }: MintedToken,
  {
    scope,
    binding,
    idToken = null,
    refreshToken = null,
    authorizationDetails = null,
  }: {
    scope: string;
    binding: Binding;
    idToken?: string | null;
    refreshToken?: string | null;
    authorizationDetails?: AccessTokenContent['authorizationDetails'];
  },
): object => ({
  access_token: token,
  token_type: tokenType(binding),
  expires_in: fact.expiresAt - fact.at,
  scope,
  ...(idToken !== null && { id_token: idToken }),
  ...(refreshToken !== null && { refresh_token: refreshToken }),
  ...(authorizationDetails !== null && { authorization_details: authorizationDetails }),
});

/** The grant that a refresh token names; '' for a text that is none. */
export const grantIdOf = (refreshToken: string): string => refreshToken.slice(0, Math.max(0, refreshToken.lastIndexOf('.')));

/** `at_hash`, `c_hash` and their like (OpenID Connect Core 1.0, section 3.1.3.6): both our algorithms hash with SHA-256. */
export const leftHalf = (token: string): string => hash('sha256', token, 'buffer').subarray(0, 16).toString('base64url');
