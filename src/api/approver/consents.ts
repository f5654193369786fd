import { type Authorisation, type Consent, consent, revoke } from '../../domain/consent/decider.ts';
import { consentEvents } from '../../domain/consent/events.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { clientName } from '../../projections/client-lookup.ts';
import { consentsOf } from '../../projections/consent-lookup.ts';
import type { ReadModels } from '../read-models.ts';
import { json, noContent } from '../reply.ts';
import type { Route } from '../route.ts';
import { PATHS } from '../surface.ts';
import { consentsDoc, revokeConsentDoc } from './approver-docs.ts';
import type { Proven } from './device-auth.ts';

interface Deps {
  proven: Proven;
  decide: Decide;
  load: Load;
  readModels: ReadModels;
  sealer: Sealer;
  clock: Clock;
  ids: Ids;
}

/** What a PSU has allowed, and taking it back. */
export const approverConsentRoutes = ({ proven, decide, load, readModels, sealer, clock, ids }: Deps): Route[] => {
  const givenBy = (state: Consent, psuId: string): Authorisation | undefined =>
    state.status === 'absent' ? undefined : state.authorisations.find((given) => given.psuId === psuId);

  const allowedBy = async (psuId: string, consentId: string) => {
    const given = givenBy(await load(consent, consentId), psuId);
    const allowed = given && consentEvents.open(given.type, given.sealed, sealer);
    return { account_ids: allowed?.accountIds ?? [], authorization_details: allowed?.authorizationDetails ?? null };
  };

  return [
    {
      method: 'GET',
      path: `${PATHS.approver}/consents`,
      doc: consentsDoc,
      handle: proven(async (_call, { psuId }) => {
        const consents = consentsOf(readModels.rows, psuId).map(async (row) => ({
          consent_id: row.consentId,
          client_name: clientName(readModels.rows, row.clientId),
          status: row.status,
          content: row.content,
          ...(await allowedBy(psuId, row.consentId)),
          expires_at: row.expiresAt,
          changed_at: row.statusAt,
        }));
        return json(200, { consents: await Promise.all(consents) });
      }),
    },
    {
      method: 'DELETE',
      path: `${PATHS.approver}/consents/{consent_id}`,
      doc: revokeConsentDoc,
      handle: proven(async ({ params: { consent_id: consentId = '' } }, { psuId, deviceId }) => {
        if (givenBy(await load(consent, consentId), psuId) === undefined) throw new OAuthError('not_found', 'no such consent of this PSU');
        const command = { id: ids.uuid(), actor: { kind: 'device', id: deviceId } as const, correlationId: consentId, causationId: null };
        const { position } = await decide(consent, consentId, revoke({ by: 'psu', at: clock() }), command);
        await readModels.reached(position);
        return noContent(204);
      }),
    },
  ];
};
