import type { AuthorizationDetail } from '../authorization-details/detail-type.ts';
import type { Consent } from '../consent/decider.ts';
import type { Asking } from '../ports/consent-steps.ts';
import type { ReceivedCibaRequest } from './decider.ts';

/** A CIBA request over its consent as it stands, as the consent steps are asked about it. */
export const askingOf = (
  { requestId, clientId, psuId, scope, consentId, consentOrigin }: ReceivedCibaRequest,
  consent: Consent,
  authorizationDetails: readonly AuthorizationDetail[] | null,
): Asking => ({
  ...{ flow: 'ciba', requestId, clientId, psuId, scope, consentId },
  consent: consentOrigin === 'request' || consent.status === 'absent' ? null : consent,
  authorizationDetails,
});
