import { OAuthError } from '../oauth-error.ts';
import type { LodgedConsent } from './decider.ts';
import type { ConsentType } from './events.ts';

/** The scope that each type of consent belongs to: of the tokens that it is lodged with, and of the requests that name it. */
export const SCOPE_OF = {
  accounts: 'accounts',
  payments: 'payments',
  vrp: 'payments',
  fundsconfirmations: 'fundsconfirmations',
} as const satisfies Record<NonNullable<ConsentType>, string>;

/** Refuses a request that names a consent and does not ask for the scope of its type. */
export const checkScope = ({ consentType }: LodgedConsent, scope: string): void => {
  if (consentType !== null && !scope.split(' ').includes(SCOPE_OF[consentType]))
    throw new OAuthError('invalid_scope', `the consent of openbanking_intent_id needs the scope ${SCOPE_OF[consentType]}`);
};
