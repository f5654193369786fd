import canonicalize from 'canonicalize';
import * as z from 'zod';
import { describe } from '../../domain/authorization-details/approval.ts';
import type { AuthorizationDetail, DetailTypes } from '../../domain/authorization-details/detail-type.ts';
import type { Asked, ReceivedCibaRequest } from '../../domain/ciba-request/decider.ts';
import { cibaRequestEvents } from '../../domain/ciba-request/events.ts';
import type { Consent } from '../../domain/consent/decider.ts';
import type { ConsentDatum, Retrieved } from '../../domain/ports/consent-steps.ts';
import type { Sealed, Sealer } from '../../domain/ports/sealer.ts';
import { consentAsShown, type ShownConsent } from '../shown-consent.ts';

/** What the PSU is shown, and what the digest is over: the whole of the request, its consent and the accounts to choose from. */
export interface ShownRequest {
  request_id: string;
  client: { client_id: string; client_name: string };
  scope: string;
  binding_message: string | null;
  /** From the TPP, of no meaning to us (FAPI-CIBA 5.3). */
  request_context: Readonly<Record<string, unknown>> | null;
  authorization_details: readonly AuthorizationDetail[] | null;
  /** The same in plain words: the lines of each entry, in their order. */
  authorization_details_lines: readonly (readonly string[])[] | null;
  consent: ShownConsent | null;
  /** What the consent asks for, as titles and values, and of which type it is. */
  consent_data: readonly ConsentDatum[];
  consent_type: string | null;
  accounts: readonly { account_id: string; display_name: string }[];
  received_at: number;
  expires_at: number;
  /** Keeps the digest, which stands in the open, from being guessed. */
  salt: string;
}

/** What was asked for, as far as it is shown. */
export type Shown = Pick<Asked, 'bindingMessage' | 'requestContext' | 'authorizationDetails'>;

/** The canonical text (RFC 8785) of a request as it is shown: the phone hashes these bytes and shows what they say. */
export const shownText = (
  request: ReceivedCibaRequest,
  {
    consent,
    clientName,
    asked: { bindingMessage, requestContext, authorizationDetails },
    detailTypes,
    consentData,
    type,
    accounts,
    salt,
  }: Retrieved & { consent: Consent; clientName: string; asked: Shown; detailTypes: DetailTypes; salt: string },
): string => {
  const shown: ShownRequest = {
    request_id: request.requestId,
    client: { client_id: request.clientId, client_name: clientName },
    scope: request.scope,
    binding_message: bindingMessage,
    request_context: requestContext,
    authorization_details: authorizationDetails,
    authorization_details_lines: authorizationDetails?.map((entry) => describe(entry, detailTypes)) ?? null,
    consent: consentAsShown(request.consentId, consent),
    consent_data: consentData,
    consent_type: type,
    accounts: accounts.map(({ accountId, displayName }) => ({ account_id: accountId, display_name: displayName })),
    received_at: request.at,
    expires_at: request.expiresAt,
    salt,
  };
  return canonicalize(shown) as string;
};

/** The text that was shown, or null when the PSU was erased. */
export const openShown = (sealed: Sealed, sealer: Sealer): string | null =>
  cibaRequestEvents.open('ConsentRetrieved', sealed, sealer)?.shown ?? null;

const choices = z.object({
  accounts: z.array(z.object({ account_id: z.string() })),
  authorization_details: z.array(z.looseObject({ type: z.string() })).nullish(),
});

/** What an answer could choose from in what was shown; nothing when the PSU was erased. */
export const choicesShown = (
  sealed: Sealed,
  sealer: Sealer,
): { accountIds: readonly string[]; authorizationDetails: readonly AuthorizationDetail[] | null } => {
  const text = openShown(sealed, sealer);
  if (text === null) return { accountIds: [], authorizationDetails: null };
  const { accounts, authorization_details: authorizationDetails = null } = choices.parse(JSON.parse(text));
  return { accountIds: accounts.map((account) => account.account_id), authorizationDetails };
};
