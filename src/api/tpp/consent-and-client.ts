import { activeClient, client, type RegisteredClient } from '../../domain/client/decider.ts';
import { type Consent, consent } from '../../domain/consent/decider.ts';
import type { Load } from '../../domain/decide.ts';

/** What tokens are issued on: the consent as it stands now, and the client, which must be active. */
export const consentAndClient = async (
  load: Load,
  { consentId, clientId }: { consentId: string; clientId: string },
): Promise<{ consentState: Consent; registered: RegisteredClient }> => {
  const [consentState, registered] = await Promise.all([load(consent, consentId), load(client, clientId)]);
  return { consentState, registered: activeClient(registered) };
};
