import { type Authorisation, asOf, type LodgedConsent } from '../../domain/consent/decider.ts';
import type { ConsentContent } from '../../domain/consent/events.ts';

/** What a receipt is made from. */
export interface Receipted {
  state: LodgedConsent;
  given: Authorisation;
  /** The fact that says so: its id, its public part as it stands in the log, and its leaf in the evidence log. */
  fact: { eventId: string; data: string; leaf: string };
  /** What that part says of the answer. */
  answer: { deviceId: string | null; digest: string };
  /** The personal part of the fact. */
  chosen: { accountIds: readonly string[]; authorizationDetails: readonly { type: string }[] | null };
  clientName: string;
}

/** The claims of a consent receipt, by the names of ISO/IEC TS 27560 and of the Kantara consent receipt where these have one. */
export const receiptClaims = (
  consentId: string,
  { state, given, fact, answer, chosen, clientName }: Receipted,
  { issuer, at }: { issuer: string; at: number },
) => {
  const { status, statusAt } = asOf(state, at);
  const { content, clientId, expiresAt } = state;
  return {
    receipt_version: 1,
    receipt_id: fact.eventId,
    consent_id: consentId,
    consent_timestamp: instant(given.at),
    collection_method: collectionMethod(answer.deviceId),
    pii_principal_id: given.psuId,
    pii_controllers: [{ party_role: 'ASPSP', party_url: issuer }],
    recipient_third_parties: [{ party_role: 'TPP', party_id: clientId, party_name: clientName }],
    purposes: [{ lawful_basis: 'consent', ...purposeOf(content) }],
    accounts: chosen.accountIds.map(masked),
    authorization_details_types: (chosen.authorizationDetails ?? []).map(({ type }) => type),
    valid_until: expiresAt === null ? null : instant(expiresAt),
    consent_status: status,
    consent_status_timestamp: instant(statusAt),
    /** SHA-256 of exactly the text that the PSU was shown. */
    shown_digest: answer.digest,
    /** SHA-256 of `data` is the `dh` of the leaf, and the leaf is what a proof of inclusion is about. */
    fact: { leaf: fact.leaf, data: fact.data },
  };
};

/** How the answer was given: by a device, or in a session of the redirect flow. */
export const collectionMethod = (deviceId: string | null): string =>
  deviceId === null ? 'answered in a session in which the PSU had signed in' : 'answer signed by a registered device';

const instant = (at: number): string => new Date(at * 1000).toISOString();

/** What identifies an account to whom it belongs, and to nobody else. */
const masked = (accountId: string): string => {
  const shown = Math.min(4, Math.floor(accountId.length / 3));
  return '*'.repeat(accountId.length - shown) + accountId.slice(accountId.length - shown);
};

const purposeOf = (content: ConsentContent): { purpose: string; permissions: readonly string[]; pii_categories: readonly string[] } => {
  switch (content.kind) {
    case 'account-access':
      return {
        purpose: 'account information',
        permissions: content.permissions,
        pii_categories: [...new Set(content.permissions.map(categoryOf))],
      };
    case 'payment':
      return { purpose: `payment initiation: ${content.paymentType}`, permissions: [], pii_categories: ['payment order'] };
    case 'funds-confirmation':
      return { purpose: 'confirmation of funds', permissions: [], pii_categories: ['availability of funds'] };
    case 'vrp':
      return { purpose: 'variable recurring payments', permissions: [], pii_categories: ['payment orders'] };
    case 'scope':
      return { purpose: 'what the scopes name', permissions: content.scope.split(' '), pii_categories: [] };
  }
};

/** `ReadStandingOrdersDetail` → `standing orders`. */
const categoryOf = (permission: string): string =>
  permission
    .replace(/^Read/, '')
    .replace(/(Basic|Detail|Credits|Debits)$/, '')
    .replaceAll(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase();
