import * as z from 'zod';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import type { Signer } from '../../domain/ports/signer.ts';
import { findClient } from '../../projections/client-lookup.ts';
import { json, type Reply, refusalReply } from '../reply.ts';
import type { Handler, Route } from '../route.ts';
import { PATHS } from '../surface.ts';
import { type Bearer, tokenRefusal } from './bearer.ts';

const Claims = z.object({ sub: z.string(), openbanking_intent_id: z.string().optional() });

/**
 * `GET` and `POST /oauth2/userinfo` (OpenID Connect Core 1.0, section 5.3): whom an access token with the scope `openid` is about, as JSON
 * or, for clients that are registered so, as a JWT.
 */
export const userinfoRoutes = (deps: { bearer: Bearer; rows: Rows; signer: Signer; issuer: string }): Route[] => {
  const { bearer, rows, signer, issuer } = deps;
  const handle: Handler = async (call) => {
    const { psuId, consentId, clientId } = await bearer(call, 'openid');
    if (psuId === null) throw new OAuthError('insufficient_scope', 'this access token is about no PSU');
    const claims: z.output<typeof Claims> = { sub: psuId, ...(consentId !== null && { openbanking_intent_id: consentId }) };
    const alg = findClient(rows, clientId)?.metadata.userinfo_signed_response_alg ?? null;
    if (alg === null) return json(200, claims);
    return jwt(await signer.sign(alg, 'JWT', { iss: issuer, aud: clientId, ...claims }));
  };
  const common = {
    path: PATHS.userinfo,
    doc: {
      summary: 'Whom an access token is about (OpenID Connect Core 1.0, section 5.3)',
      security: 'bearer',
      answers: { 200: Claims },
      errors: [],
    },
    handle,
    refuse: (refusal, call) => tokenRefusal(refusal, call) ?? refusalReply(refusal),
  } satisfies Omit<Route, 'method'>;
  return [
    { method: 'GET', ...common },
    { method: 'POST', ...common },
  ];
};

const jwt = (body: string): Reply => ({ status: 200, headers: { 'Content-Type': 'application/jwt', 'Cache-Control': 'no-store' }, body });
