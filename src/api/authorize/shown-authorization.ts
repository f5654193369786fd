import canonicalize from 'canonicalize';
import * as z from 'zod';
import type { RequestedAuthorization, Showing } from '../../domain/authorization/decider.ts';
import { authorizationEvents } from '../../domain/authorization/events.ts';
import type { AuthorizationDetail } from '../../domain/authorization-details/detail-type.ts';
import type { Consent } from '../../domain/consent/decider.ts';
import type { Retrieved } from '../../domain/ports/consent-steps.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { consentAsShown, shownConsent } from '../shown-consent.ts';

/** Everything that the consent page says: the page is made from this text, and the digest is over it. */
const shownAuthorization = z.object({
  request_id: z.string(),
  client: z.object({ client_id: z.string(), client_name: z.string(), redirect_uri: z.string() }),
  username: z.string(),
  scope: z.string(),
  consent: shownConsent.nullable(),
  consent_data: z.array(z.object({ title: z.string(), data: z.array(z.string()) })).default([]),
  consent_type: z.string().nullable().default(null),
  authorization_details: z.array(z.looseObject({ type: z.string() })).nullable(),
  /** The same as lines for the person. */
  details: z.array(z.string()),
  accounts: z.array(z.object({ account_id: z.string(), display_name: z.string() })),
  requested_at: z.int(),
  expires_at: z.int(),
  /** Keeps the digest, which stands in the open, from being guessed. */
  salt: z.string(),
});
export type ShownAuthorization = z.output<typeof shownAuthorization>;

/** The canonical text (RFC 8785) of what a PSU is shown. */
export const shownText = (
  request: RequestedAuthorization,
  given: Retrieved & {
    consent: Consent;
    clientName: string;
    username: string;
    authorizationDetails: readonly AuthorizationDetail[] | null;
    details: readonly string[];
    salt: string;
  },
): string => {
  const { consent, consentData, type, clientName, username, authorizationDetails, details, accounts, salt } = given;
  const shown: ShownAuthorization = {
    request_id: request.requestId,
    client: { client_id: request.clientId, client_name: clientName, redirect_uri: request.redirectUri },
    username,
    scope: request.scope,
    consent: consentAsShown(request.consentId, consent),
    consent_data: consentData.map(({ title, data }) => ({ title, data: [...data] })),
    consent_type: type,
    authorization_details: authorizationDetails && [...authorizationDetails],
    details: [...details],
    accounts: accounts.map(({ accountId, displayName }) => ({ account_id: accountId, display_name: displayName })),
    requested_at: request.at,
    expires_at: request.expiresAt,
    salt,
  };
  return canonicalize(shown) as string;
};

/** What a showing said, from its text. */
export const readShown = (text: string): ShownAuthorization => shownAuthorization.parse(JSON.parse(text));

/** What a showing said, or null when the PSU was erased. */
export const openShown = ({ sealed }: Showing, sealer: Sealer): ShownAuthorization | null => {
  const text = authorizationEvents.open('AuthorizationShown', sealed, sealer)?.shown;
  return text === undefined ? null : readShown(text);
};
