import * as z from 'zod';
import type { RouteDoc } from '../route.ts';
import { consentResource } from './consent-resource.ts';

const MOST_AT_ONCE = 100;
const list = z.string().max(8192);
const number = z.coerce.number().pipe(z.int().min(0));
const page = {
  limit: number
    .pipe(z.int().min(1))
    .transform((limit) => Math.min(limit, MOST_AT_ONCE))
    .default(25)
    .describe(`${MOST_AT_ONCE} at most: more is cut down to that, as metadata.limit says`),
  offset: number.default(0),
  fetchFromRetentionDatabase: z.string().optional().describe('nothing is moved away from the log: it changes nothing'),
};
const metadata = z.object({ count: z.int(), offset: z.int(), limit: z.int(), total: z.int() });

/** The parameters of a search; lists are separated by commas. */
export const searchQuery = z.object({
  consentIDs: list.optional(),
  clientIDs: list.optional(),
  consentTypes: list.optional(),
  consentStatuses: list.optional(),
  userIDs: list.optional().describe('counts for officers only'),
  accountIDs: list.optional().describe('may be repeated'),
  fromTime: number.optional(),
  toTime: number.optional(),
  ...page,
});
export const auditQuery = z.object({ consentIDs: list.optional(), ...page });
export const revokeQuery = z.object({ consentID: z.string().min(1), userID: z.string().optional() });
export const oneConsentQuery = z.object({ consentId: z.string().min(1), fetchFromRetentionDatabase: page.fetchFromRetentionDatabase });

/** One change of a consent. */
export const statusAudit = z.object({
  statusAuditId: z.string(),
  consentId: z.string(),
  currentStatus: z.string(),
  actionTime: z.int(),
  reason: z.string(),
  actionBy: z.string(),
  previousStatus: z.string().nullable(),
});
export type StatusAudit = z.output<typeof statusAudit>;

const amendmentHistory = z.object({
  consentID: z.string(),
  currentConsent: consentResource,
  consentAmendmentHistory: z.array(
    z.object({
      historyId: z.string(),
      amendedReason: z.string(),
      amendedTime: z.int(),
      consentData: consentResource.describe('the consent as it was before'),
    }),
  ),
  metadata: z.object({ amendmentCount: z.int() }),
});

const doc = (summary: string, query: z.ZodObject, answers: RouteDoc['answers']): RouteDoc => ({
  summary,
  security: 'operator',
  query,
  answers,
  errors: ['invalid_request', 'temporarily_unavailable'],
});

export const searchDoc = doc('Searches consents: an officer all, a PSU their own; newest change first', searchQuery, {
  200: z.object({ data: z.array(consentResource), metadata }),
});
export const auditDoc = doc('What happened to consents, newest first: from which status to which, by whom and why', auditQuery, {
  200: z.object({ data: z.array(statusAudit), metadata }),
});
export const revokeDoc = doc('Revokes a consent that is authorised', revokeQuery, { 204: null });
export const fileDoc = doc('The file of a consent', oneConsentQuery, { 200: z.object({ consentFile: z.string() }) });
export const amendmentsDoc = doc('How a consent was amended: each time why, when, and what it was before', oneConsentQuery, {
  200: amendmentHistory,
});
export const expireDoc = doc('Expires now every consent whose own end has come', z.object({}), { 204: null });
export const retentionDoc = doc(
  'Does nothing: the reference moves ended consents to another database here, and the log keeps everything where it is',
  z.object({}),
  { 204: null },
);
