import * as z from 'zod';
import { type Authorisation, asOf, type ConsentStatus, type LodgedConsent } from '../../domain/consent/decider.ts';
import { consentEvents } from '../../domain/consent/events.ts';
import { receiptInTheOpen, receiptOf } from '../../domain/consent/receipt.ts';
import type { Ids } from '../../domain/ports/clock.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { OF_REQUEST } from '../../projections/consent-lookup.ts';
import type { Story } from './story.ts';

/** A status as the reference writes it. */
export const statusWord = (status: ConsentStatus): string => (status === 'expired' ? 'Expired' : status);

/** A consent as the reference shows it to officers and gateways. */
export const consentResource = z.object({
  consentId: z.string(),
  clientId: z.string(),
  receipt: z.record(z.string(), z.unknown()),
  consentType: z.string(),
  currentStatus: z.string(),
  consentFrequency: z.int(),
  validityPeriod: z.int(),
  createdTimestamp: z.int(),
  updatedTimestamp: z.int(),
  recurringIndicator: z.boolean(),
  consentAttributes: z.record(z.string(), z.string()),
  authorizationResources: z.array(
    z.object({
      authorizationId: z.string(),
      consentId: z.string(),
      userId: z.string().nullable(),
      authorizationStatus: z.enum(['created', 'authorised', 'rejected']),
      authorizationType: z.literal('authorisation'),
      updatedTime: z.int(),
    }),
  ),
  consentMappingResources: z.array(
    z.object({
      mappingId: z.string(),
      authorizationId: z.string(),
      accountId: z.string(),
      permission: z.string(),
      mappingStatus: z.enum(['active', 'inactive']),
    }),
  ),
});
export type ConsentResource = z.output<typeof consentResource>;
type AuthorizationResource = ConsentResource['authorizationResources'][number];
type MappingResource = ConsentResource['consentMappingResources'][number];

// The reference's word where a permission is not of one account.
const NO_PERMISSION = 'n/a';

/**
 * Shows a consent as its story leaves it, at a moment. Its ids follow from the consent's, so that they are the same at every node and every time.
 * `auth_req_id`, which the reference lists among the attributes, is a credential and is left out.
 */
export const makeConsentResource = ({ sealer, ids }: { sealer: Sealer; ids: Ids }) => {
  const authorizationId = (consentId: string, psuId: string | null): string =>
    // Where nobody is named there is one authorisation, whoever it will be.
    ids.derived(`authorisation/${consentId}${psuId === null ? '' : `/${psuId}`}`);

  const authorizations = (consentId: string, story: Story, state: LodgedConsent): readonly AuthorizationResource[] => {
    const asked = story.findLast(({ event: { type } }) => type === 'ConsentLodged' || type === 'ConsentAmended')?.event.data.at;
    const states = new Map<string | null, Pick<AuthorizationResource, 'authorizationStatus' | 'updatedTime'>>();
    const created = { authorizationStatus: 'created', updatedTime: asked ?? state.lodgedAt } as const;
    for (const psuId of state.authorisers) states.set(psuId, created);
    for (const { psuId, at } of state.authorisations) states.set(psuId, { authorizationStatus: 'authorised', updatedTime: at });
    if (state.rejectedBy !== null) states.set(state.rejectedBy.psuId, { authorizationStatus: 'rejected', updatedTime: state.statusAt });
    if (states.size === 0) states.set(null, created);
    return [...states].map(([userId, { authorizationStatus, updatedTime }]) => ({
      authorizationId: authorizationId(consentId, userId),
      consentId,
      userId,
      authorizationStatus,
      authorizationType: 'authorisation',
      updatedTime,
    }));
  };

  const mappings = (consentId: string, story: Story, state: LodgedConsent): readonly MappingResource[] => {
    const resources = new Map<string, MappingResource>();
    const put = (given: Authorisation, mappingStatus: MappingResource['mappingStatus']) => {
      const of = authorizationId(consentId, given.psuId);
      for (const accountId of consentEvents.open(given.type, given.sealed, sealer)?.accountIds ?? []) {
        const mappingId = ids.derived(`mapping/${of}/${accountId}`);
        resources.set(mappingId, { mappingId, authorizationId: of, accountId, permission: NO_PERMISSION, mappingStatus });
      }
    };
    // What was given before an amendment is given no longer.
    for (const { event, before } of story)
      if (event.type === 'ConsentAmended') for (const given of before?.authorisations ?? []) put(given, 'inactive');
    const stands = state.status === 'authorised' || state.status === 'awaitingFurtherAuthorisation';
    for (const given of state.authorisations) put(given, stands ? 'active' : 'inactive');
    return [...resources.values()];
  };

  return (consentId: string, story: Story, at: number): ConsentResource => {
    const last = story.at(-1)?.after;
    if (last === undefined) throw new TypeError('a consent has a first fact');
    const state = asOf(last, at);
    const { clientId, consentType, status, frequency, expiresAt, lodgedAt, statusAt, recurring } = state;
    return {
      consentId,
      clientId,
      receipt: receiptShown(state, sealer),
      consentType: consentType ?? OF_REQUEST,
      currentStatus: statusWord(status),
      consentFrequency: frequency,
      validityPeriod: expiresAt ?? 0,
      createdTimestamp: lodgedAt,
      updatedTimestamp: statusAt,
      recurringIndicator: recurring,
      consentAttributes: expiresAt === null ? {} : { ExpirationDateTime: String(expiresAt) },
      authorizationResources: [...authorizations(consentId, story, state)],
      consentMappingResources: [...mappings(consentId, story, state)],
    };
  };
};
export type MakeResource = ReturnType<typeof makeConsentResource>;

/** What was lodged; of what was lodged before receipts were kept, what is known of it. Empty where it was erased. */
const receiptShown = (state: LodgedConsent, sealer: Sealer): Record<string, unknown> => {
  const receipt = receiptOf(state, sealer);
  if (receipt !== null) return receipt;
  const { content } = state;
  if (content.kind === 'scope') return { scope: content.scope };
  return content.kind === 'account-access' && state.receipt === null ? receiptInTheOpen(state) : {};
};

/** The same for a PSU: without the accounts of the others who agreed. */
export const asSeenBy = (psuId: string | null, resource: ConsentResource): ConsentResource => {
  if (psuId === null) return resource;
  const own = resource.authorizationResources.filter(({ userId }) => userId === psuId).map(({ authorizationId }) => authorizationId);
  return {
    ...resource,
    consentMappingResources: resource.consentMappingResources.filter(({ authorizationId }) => own.includes(authorizationId)),
  };
};
