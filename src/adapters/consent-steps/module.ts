import type { AuthorizationDetail } from '../../domain/authorization-details/detail-type.ts';
import type { ConsentContent, Receipt } from '../../domain/consent/events.ts';

/** What a step of the ASPSP's own is told of a request, whether it is a module or a hook. */
export interface Told {
  flow: 'ciba' | 'code';
  request_id: string;
  client_id: string;
  psu_id: string;
  scope: string;
  /** The consent that the TPP lodged; null for a request that refers to none. */
  consent: {
    consent_id: string;
    type: string | null;
    content: ConsentContent;
    expires_at: number | null;
    recurring: boolean;
    frequency: number;
  } | null;
  authorization_details: readonly AuthorizationDetail[] | null;
  /** The consent as the TPP lodged it. */
  receipt: Receipt | null;
}

/** What the PSU is shown beside the request itself, and chooses from. */
export interface Shown {
  consentData: { title: string; data: string[] }[];
  accounts: { account_id: string; display_name: string }[];
  type: string | null;
}

/** What the PSU has chosen. */
export interface ChosenByPsu {
  account_ids: string[];
  authorization_details: readonly AuthorizationDetail[] | null;
}

/** Whether an approval may be recorded. The reason is for the PSU: printable ASCII of at most 200 characters. */
export type Verdict = { accepted: true } | { accepted: false; reason: string };

/** The function `retrieve` of a module: what the steps before it have found, and what is shown instead. */
export type Retrieve = (told: Told & { so_far: Shown }) => Shown | Promise<Shown>;

/** The function `persist` of a module. */
export type Persist = (told: Told & { chosen: ChosenByPsu }) => Verdict | Promise<Verdict>;
