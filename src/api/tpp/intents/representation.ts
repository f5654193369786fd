import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import type { ConsentStatus, LodgedConsent } from '../../../domain/consent/decider.ts';
import type { Receipt } from '../../../domain/consent/events.ts';
import { receiptInTheOpen } from '../../../domain/consent/receipt.ts';
import type { OAuthError, OAuthErrorCode, RefusalReason } from '../../../domain/oauth-error.ts';
import { json, type Reply, refusalReply, statusOf } from '../../reply.ts';
import type { Call, Handler } from '../../route.ts';
import { tokenRefusal } from '../bearer.ts';

/** A consent as the Open Banking API tells it. */
export const representationSchema = z.looseObject({
  Data: z.looseObject({ ConsentId: z.string(), Status: z.string() }),
  Risk: z.looseObject({}),
});

/** The error body of the Open Banking API. */
export const errorBody = z.object({
  Code: z.string(),
  Message: z.string(),
  Errors: z.array(z.object({ ErrorCode: z.string(), Message: z.string() })),
});

const STATUS: Record<ConsentStatus, string> = {
  awaitingUpload: 'AwaitingUpload',
  awaitingAuthorisation: 'AwaitingAuthorisation',
  // The standard has no word for it: the TPP still waits for the authorisation.
  awaitingFurtherAuthorisation: 'AwaitingAuthorisation',
  authorised: 'Authorised',
  rejected: 'Rejected',
  revoked: 'Revoked',
  expired: 'Expired',
};

const iso = (at: number): string => new Date(at * 1000).toISOString().replace('.000Z', '+00:00');

/** A consent as it was lodged, with what has become of it. */
export const representation = (consentId: string, state: LodgedConsent, receipt: Receipt | null, self: string) => {
  const { status, statusAt, lodgedAt } = state;
  const { Data, Risk } = receipt ?? receiptInTheOpen(state);
  return {
    Data: {
      ...Data,
      ConsentId: consentId,
      CreationDateTime: iso(lodgedAt),
      Status: STATUS[status],
      StatusUpdateDateTime: iso(statusAt),
    },
    Risk,
    Links: { Self: `${self}/${consentId}` },
    Meta: {},
  };
};
export type Representation = ReturnType<typeof representation>;

// FAPI 1 Baseline, section 6.2.1-11: what the client sent comes back if it is a token (RFC 9110, section 5.6.2), or an id of our own.
const TOKEN = /^[\w!#$%&'*+.^`|~-]{1,128}$/;
const interactionId = ({ headers }: Call): { 'x-fapi-interaction-id': string } => {
  const given = headers['x-fapi-interaction-id'];
  const usable = typeof given === 'string' && TOKEN.test(given);
  return { 'x-fapi-interaction-id': usable ? given : randomUUID() };
};

/** Answers with the id of the interaction. */
export const withInteractionId =
  (handle: Handler): Handler =>
  async (call) => {
    const reply = await handle(call);
    return { ...reply, headers: { ...reply.headers, ...interactionId(call) } };
  };

/** Where the Open Banking API has another status for a refusal. */
export const REFUSAL_STATUS: Partial<Record<OAuthErrorCode, number>> = { conflict: 400 };

/** The error body of the Open Banking API; tokens that are no good keep to RFC 6750, our own faults to the common form. */
export const refusedIntent = (refusal: OAuthError, call: Call): Reply => {
  const { error, message } = refusal;
  const aboutToken = tokenRefusal(refusal, call);
  const { status, headers, body } = aboutToken ?? refusalReply(refusal, REFUSAL_STATUS[error] ?? statusOf(error));
  const all = { ...headers, ...interactionId(call) };
  if (aboutToken !== null || error === 'server_error') return { status, headers: all, body };
  const errors = [{ ErrorCode: codeOf(refusal), Message: message }];
  const told: z.output<typeof errorBody> = { Code: `${status} ${error}`, Message: message, Errors: errors };
  return json(status, told, all);
};

/** What refusals are in the standard's list of codes: by their reason, or else by their own code. */
const CODES: Partial<Record<RefusalReason | OAuthErrorCode, string>> = {
  'header missing': 'UK.OBIE.Header.Missing',
  'header unreadable': 'UK.OBIE.Header.Invalid',
  'consent unknown': 'UK.OBIE.Resource.NotFound',
  'consent mismatch': 'UK.OBIE.Resource.ConsentMismatch',
  'consent status': 'UK.OBIE.Resource.InvalidConsentStatus',
  'consent end': 'UK.OBIE.Field.InvalidDate',
  conflict: 'UK.OBIE.Resource.InvalidConsentStatus',
  content_too_large: 'UK.OBIE.Resource.InvalidFormat',
  method_not_allowed: 'UK.OBIE.UnexpectedError',
  temporarily_unavailable: 'UK.OBIE.UnexpectedError',
};

const codeOf = ({ reason, error }: OAuthError): string => (reason && CODES[reason]) ?? CODES[error] ?? 'UK.OBIE.Field.Invalid';
