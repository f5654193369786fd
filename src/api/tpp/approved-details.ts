import type { AuthorizationDetail } from '../../domain/authorization-details/detail-type.ts';
import { type Consent, consent } from '../../domain/consent/decider.ts';
import { consentEvents } from '../../domain/consent/events.ts';
import type { Load } from '../../domain/decide.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';

/** The authorization details that a consent was authorised with (RFC 9396): null where none were asked for, or the PSU was erased. */
export const detailsOf = (state: Consent, sealer: Sealer): readonly AuthorizationDetail[] | null => {
  if (state.status === 'absent' || !state.authorisation?.hasAuthorizationDetails) return null;
  return consentEvents.open('ConsentAuthorised', state.authorisation.sealed, sealer)?.authorizationDetails ?? null;
};

/** The same, from the consent's own stream. A grant of the client's own has no consent. */
export const approvedDetails = async (
  load: Load,
  sealer: Sealer,
  consentId: string | null,
): Promise<readonly AuthorizationDetail[] | null> => (consentId === null ? null : detailsOf(await load(consent, consentId), sealer));
