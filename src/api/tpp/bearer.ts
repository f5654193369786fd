import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import { findToken, type TokenRow } from '../../projections/token-lookup.ts';
import type { ReadModels } from '../read-models.ts';
import { type Reply, refusalReply } from '../reply.ts';
import type { Call } from '../route.ts';
import { DPOP_ALGS, type Dpop } from './dpop.ts';

const CREDENTIALS = /^(bearer|dpop) +([A-Za-z0-9._~+/=-]+)$/i;

/** The access token of a call to a resource (RFC 6750; RFC 8705, section 3; RFC 9449, section 7), if it is good and has one of the scopes. */
export const makeBearer =
  ({ readModels, clock, ids, dpop }: { readModels: ReadModels; clock: Clock; ids: Ids; dpop: Dpop }) =>
  async (call: Call, scope: string, ...others: readonly string[]): Promise<TokenRow> => {
    const [, scheme = '', given = ''] = CREDENTIALS.exec(call.headers.authorization ?? '') ?? [];
    const token = given === '' ? undefined : await readModels.find((rows) => findToken(rows, ids.hash(given)));
    if (token?.kind !== 'access_token' || token.expiresAt <= clock())
      throw new OAuthError('invalid_token', 'the access token is missing, unknown or no longer active');
    if (token.certificateThumbprint !== null && token.certificateThumbprint !== call.certificate?.thumbprint)
      throw new OAuthError('invalid_token', 'the access token is bound to another certificate');
    const byDpop = scheme.toLowerCase() === 'dpop';
    if (byDpop !== (token.dpopKeyThumbprint !== null))
      throw new OAuthError('invalid_token', 'the access token belongs with the scheme that its token_type names');
    if (byDpop) {
      const proof = await dpop({ proof: call.headers['dpop'], method: call.method, path: call.target, accessToken: given });
      if (proof === null) throw new OAuthError('invalid_dpop_proof', 'the DPoP proof is missing');
      if (proof.jkt !== token.dpopKeyThumbprint) throw new OAuthError('invalid_token', 'the access token is bound to another DPoP key');
    }
    const granted = token.scope.split(' ');
    if (![scope, ...others].some((one) => granted.includes(one)))
      throw new OAuthError('insufficient_scope', `the access token does not have the scope ${scope}`);
    call.clientId = token.clientId;
    return token;
  };
export type Bearer = ReturnType<typeof makeBearer>;

const ALGS = `algs="${DPOP_ALGS.join(' ')}"`;

/** A refusal that is about the access token, with its challenge (RFC 6750, section 3; RFC 9449, section 7.1); null for any other. */
export const tokenRefusal = (refusal: OAuthError, { headers: { authorization } }: Call): Reply | null => {
  const { error, message } = refusal;
  if (!['invalid_token', 'invalid_dpop_proof', 'insufficient_scope'].includes(error)) return null;
  const reply = refusalReply(refusal, error === 'insufficient_scope' ? 403 : 401);
  const words = `error="${error}", error_description="${message}"`;
  const challenge = /^dpop /i.test(authorization ?? '') ? `DPoP ${words}, ${ALGS}` : `Bearer ${words}, DPoP ${ALGS}`;
  return { ...reply, headers: { ...reply.headers, 'WWW-Authenticate': challenge } };
};
