import { type CreatedNotification, toldIn } from '../../domain/event-notification/decider.ts';
import type { Ids } from '../../domain/ports/clock.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import type { Signer } from '../../domain/ports/signer.ts';
import { findClient } from '../../projections/client-lookup.ts';

/**
 * Makes the security event token of a notification (RFC 8417), signed as the client's ID tokens are. Made again it says the same. As the
 * reference has it, `toe` is in milliseconds.
 */
export const makeMakeSet =
  ({ signer, sealer, rows, ids, issuer }: { signer: Signer; sealer: Sealer; rows: Rows; ids: Ids; issuer: string }) =>
  (jti: string, notification: CreatedNotification): Promise<string> => {
    const { clientId, at } = notification;
    const alg = findClient(rows, clientId)?.metadata.id_token_signed_response_alg ?? 'ES256';
    return signer.sign(alg, 'secevent+jwt', {
      iss: issuer,
      sub: clientId,
      aud: clientId,
      iat: at,
      jti,
      txn: ids.derived(`txn/${jti}`),
      toe: at * 1000,
      events: toldIn(notification, sealer),
    });
  };
export type MakeSet = ReturnType<typeof makeMakeSet>;
