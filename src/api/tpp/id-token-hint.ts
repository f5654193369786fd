import * as z from 'zod';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock } from '../../domain/ports/clock.ts';
import type { Signer } from '../../domain/ports/signer.ts';
import { HINT_SECONDS } from '../../domain/signing-key/decider.ts';

const idTokenClaims = z.object({ iss: z.string(), sub: z.string(), aud: z.union([z.string(), z.array(z.string())]), iat: z.number() });

/** The subject of an ID token that was issued here to this client, whether it has expired since or not. */
export const makeSubjectOfIdToken =
  ({ signer, clock, issuer }: { signer: Signer; clock: Clock; issuer: string }) =>
  async (idToken: string, clientId: string): Promise<string> => {
    const { data: claims } = idTokenClaims.safeParse(await signer.verify(idToken, 'JWT'));
    if (claims?.iss !== issuer || ![claims.aud].flat().includes(clientId) || claims.iat < clock() - HINT_SECONDS)
      throw new OAuthError('invalid_request', 'id_token_hint is no ID token that was issued here to this client', { reason: 'hint' });
    return claims.sub;
  };
