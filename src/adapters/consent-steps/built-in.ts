import { consentDataOf } from '../../domain/consent/consent-data.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Retrieved, RetrieveStep } from '../../domain/ports/consent-steps.ts';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';

type Retrieve = RetrieveStep['retrieve'];

/** The steps of retrieving that are built in, by the names that the settings have for them. */
export const builtInRetrieval = (directory: Pick<PsuDirectory, 'accounts'>): Readonly<Record<string, Retrieve>> => {
  // Accounts that a step before has offered are the ASPSP's own choice.
  const withAccounts = async (soFar: Retrieved, psuId: string): Promise<Retrieved> =>
    soFar.accounts.length > 0 ? soFar : { ...soFar, accounts: await directory.accounts(psuId) };

  const lodged: Retrieve = async ({ consent, receipt, psuId }, soFar) => {
    if (consent === null || soFar.type !== null) return soFar;
    // Whose receipt was erased nobody can say what they would agree to.
    if (consent.receipt !== null && receipt === null) throw new OAuthError('gone', 'what the consent asked for was erased');
    const consentData = [...soFar.consentData, ...consentDataOf(consent, receipt)];
    return withAccounts({ ...soFar, type: consent.consentType, consentData }, psuId);
  };

  return {
    /** A request that refers to no consent of the TPP: its scope says whether accounts are asked for. */
    'non-regulatory': async ({ consent, scope, psuId }, soFar) =>
      consent === null && scope.split(' ').includes('accounts') ? withAccounts(soFar, psuId) : soFar,
    /** A lodged consent that is asked for over CIBA, and that no step before has retrieved. */
    'ciba-retrieval': async (about, soFar) => (about.flow === 'ciba' ? lodged(about, soFar) : soFar),
    /** A lodged consent that no step before has retrieved. */
    'default-retrieval': lodged,
  };
};
