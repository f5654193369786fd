import type { AuthorizationDetail } from '../authorization-details/detail-type.ts';
import type { LodgedConsent } from '../consent/decider.ts';
import type { Receipt } from '../consent/events.ts';
import type { Account } from './psu-directory.ts';

/** One thing that a consent asks for, as it is shown: a title and its values. */
export interface ConsentDatum {
  title: string;
  data: readonly string[];
}

/** A request for a PSU's consent, as far as it is shown. */
export interface Asking {
  flow: 'ciba' | 'code';
  requestId: string;
  clientId: string;
  psuId: string;
  scope: string;
  consentId: string;
  /** The consent that the TPP lodged; null for a request that refers to none. */
  consent: LodgedConsent | null;
  /** What the request itself asks for beside its scope (RFC 9396), or null. */
  authorizationDetails: readonly AuthorizationDetail[] | null;
}

/** What a step looks at. */
export interface StepContext extends Asking {
  /** The consent as the TPP lodged it; null where there is none. */
  receipt: Receipt | null;
}

/** What the PSU is shown beside the request itself, and chooses from. */
export interface Retrieved {
  consentData: readonly ConsentDatum[];
  accounts: readonly Account[];
  /** `accounts`, `payments`, `fundsconfirmations`, `vrp`, or what a step of the ASPSP's own says; null for a request without a consent. */
  type: string | null;
}

/** What a PSU has chosen, before it is recorded. */
export interface Chosen {
  accountIds: readonly string[];
  /** What is approved of the authorization details; null where none were asked for. */
  authorizationDetails: readonly AuthorizationDetail[] | null;
}

/** One step of retrieving. It gets what the steps before it found, and gives what the steps after it get. */
export interface RetrieveStep {
  name: string;
  /** The lower one goes first. */
  priority: number;
  retrieve(about: StepContext, soFar: Retrieved): Promise<Retrieved>;
}

/** One step that an approval must pass before it is recorded. */
export interface PersistStep {
  name: string;
  priority: number;
  /** Why the approval is not to be recorded, in words for the PSU; null where it may. */
  refusal(about: StepContext, chosen: Chosen): Promise<string | null>;
}

/**
 * What stands between a request for a consent and its PSU. Many calls may run at once.
 *
 * - All or nothing: where a step fails, is late or gives what cannot be shown, the call rejects with `temporarily_unavailable`. Nobody is
 *   shown half of a consent, and nothing is recorded.
 * - Order: the steps run one after the other, by their priority.
 * - Before the fact: an approval passes the steps before it is recorded. What was recorded is never asked about again, so a step may see an
 *   approval that another answer overtakes, and it may see the same one twice.
 */
export interface ConsentSteps {
  retrieve(about: Asking): Promise<Retrieved>;
  /** Whether approvals have steps to pass at all: where they have none, nobody needs to look for what to ask about. */
  readonly guarded: boolean;
  /** Rejects with `access_denied` where a step refuses the approval. */
  check(about: Asking, chosen: Chosen): Promise<void>;
}
