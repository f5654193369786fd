import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import { findToken, type TokenRow } from '../../projections/token-lookup.ts';
import type { ReadModels } from '../read-models.ts';
import type { Call } from '../route.ts';

/** The access token of a call to a resource (RFC 6750; RFC 8705, section 3), if it is good and has the scope. */
export const makeBearer =
  (deps: { readModels: ReadModels; clock: Clock; ids: Ids }) =>
  async (call: Call, scope: string): Promise<TokenRow> => {
    const [, given] = /^bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(call.headers.authorization ?? '') ?? [];
    const token = given === undefined ? undefined : await deps.readModels.find((rows) => findToken(rows, deps.ids.hash(given)));
    if (token?.kind !== 'access_token' || token.expiresAt <= deps.clock())
      throw new OAuthError('invalid_token', 'the access token is missing, unknown or no longer active');
    if (token.certificateThumbprint !== null && token.certificateThumbprint !== call.certificate?.thumbprint)
      throw new OAuthError('invalid_token', 'the access token is bound to another certificate');
    if (!token.scope.split(' ').includes(scope))
      throw new OAuthError('insufficient_scope', `the access token does not have the scope ${scope}`);
    return token;
  };
export type Bearer = ReturnType<typeof makeBearer>;
