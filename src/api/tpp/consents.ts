import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { consent, type LodgedConsent, lodge, revoke } from '../../domain/consent/decider.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import { readJson } from '../body.ts';
import type { ReadModels } from '../read-models.ts';
import { json, noContent, type Reply, refusalReply } from '../reply.ts';
import type { Call, Handler, Route, RouteDoc } from '../route.ts';
import { PATHS } from '../surface.ts';
import { type Bearer, tokenRefusal } from './bearer.ts';

/** The permissions of the Open Banking Read/Write API that a consent may ask for. */
export const PERMISSIONS = [
  'ReadAccountsBasic',
  'ReadAccountsDetail',
  'ReadBalances',
  'ReadBeneficiariesBasic',
  'ReadBeneficiariesDetail',
  'ReadDirectDebits',
  'ReadOffers',
  'ReadPAN',
  'ReadParty',
  'ReadPartyPSU',
  'ReadProducts',
  'ReadScheduledPaymentsBasic',
  'ReadScheduledPaymentsDetail',
  'ReadStandingOrdersBasic',
  'ReadStandingOrdersDetail',
  'ReadStatementsBasic',
  'ReadStatementsDetail',
  'ReadTransactionsBasic',
  'ReadTransactionsCredits',
  'ReadTransactionsDebits',
  'ReadTransactionsDetail',
] as const;

const dateTime = z.iso.datetime({ offset: true });
const AccountAccessConsent = z.strictObject({
  Data: z.strictObject({
    Permissions: z.array(z.enum(PERMISSIONS)).min(1).max(PERMISSIONS.length),
    ExpirationDateTime: dateTime.optional(),
    TransactionFromDateTime: dateTime.optional(),
    TransactionToDateTime: dateTime.optional(),
  }),
  // The Open Banking standard defines no member of it for account access.
  Risk: z.strictObject({}),
});

const STATUS = {
  awaitingAuthorisation: 'AwaitingAuthorisation',
  authorised: 'Authorised',
  rejected: 'Rejected',
  revoked: 'Revoked',
  expired: 'Expired',
} as const;

const Representation = z.looseObject({ Data: z.looseObject({ ConsentId: z.string(), Status: z.string() }), Risk: z.object({}) });
const ErrorBody = z.object({
  Code: z.string(),
  Message: z.string(),
  Errors: z.array(z.object({ ErrorCode: z.string(), Message: z.string() })),
});
const doc = (summary: string): RouteDoc => ({
  summary,
  security: 'bearer',
  headers: z.object({ 'x-fapi-interaction-id': z.guid().optional().describe('comes back with the answer') }),
  answers: { 200: Representation },
  errors: ['invalid_request', 'temporarily_unavailable'],
  refusal: { schema: ErrorBody },
});

interface Deps {
  bearer: Bearer;
  decide: Decide;
  load: Load;
  readModels: ReadModels;
  clock: Clock;
  ids: Ids;
  issuer: string;
}

/** Lodging, reading and deleting account access consents (Open Banking Read/Write API 3.1). */
export const consentRoutes = ({ bearer, decide, load, readModels, clock, ids, issuer }: Deps): Route[] => {
  const self = issuer + PATHS.accountAccessConsents;

  const ownClient = async (call: Call): Promise<string> => {
    const { clientId, psuId } = await bearer(call, 'accounts');
    if (psuId !== null) throw new OAuthError('insufficient_scope', 'consents are managed with a client_credentials token');
    return clientId;
  };

  const ownConsent = async (consentId: string, clientId: string): Promise<LodgedConsent> => {
    const state = await load(consent, consentId);
    if (state.status === 'absent' || state.clientId !== clientId || state.content.kind !== 'account-access')
      throw new OAuthError('invalid_request', 'no such consent of this client');
    return state;
  };

  const commandOf = (clientId: string, consentId: string) => ({
    id: ids.uuid(),
    actor: { kind: 'client', id: clientId } as const,
    correlationId: consentId,
    causationId: null,
  });

  const oneConsent = `${PATHS.accountAccessConsents}/{consent_id}`;
  return [
    {
      method: 'POST',
      path: PATHS.accountAccessConsents,
      doc: { ...doc('Lodges an account access consent'), json: AccountAccessConsent, answers: { 201: Representation } },
      refuse: refusedConsent,
      handle: withInteractionId(async (call) => {
        // The body is read only once the caller has shown a token for it.
        const clientId = await ownClient(call);
        const { Data } = await readJson(call, AccountAccessConsent);
        const at = clock();
        const expiresAt = Data.ExpirationDateTime === undefined ? null : Math.floor(Date.parse(Data.ExpirationDateTime) / 1000);
        if (expiresAt !== null && expiresAt <= at) throw new OAuthError('invalid_request', 'Data.ExpirationDateTime is in the past');
        const consentId = ids.uuid();
        const content = {
          kind: 'account-access' as const,
          permissions: [...new Set(Data.Permissions)],
          expirationDateTime: Data.ExpirationDateTime ?? null,
          transactionFromDateTime: Data.TransactionFromDateTime ?? null,
          transactionToDateTime: Data.TransactionToDateTime ?? null,
        };
        await decide(consent, consentId, lodge({ clientId, content, expiresAt, at }), commandOf(clientId, consentId));
        return json(201, representation(consentId, await ownConsent(consentId, clientId), self));
      }),
    },
    {
      method: 'GET',
      path: oneConsent,
      doc: doc('An account access consent of the caller'),
      refuse: refusedConsent,
      handle: withInteractionId(async (call) => {
        const clientId = await ownClient(call);
        const { consent_id: consentId = '' } = call.params;
        return json(200, representation(consentId, await ownConsent(consentId, clientId), self));
      }),
    },
    {
      method: 'DELETE',
      path: oneConsent,
      doc: { ...doc('Ends an account access consent of the caller'), answers: { 204: null } },
      refuse: refusedConsent,
      handle: withInteractionId(async (call) => {
        const clientId = await ownClient(call);
        const { consent_id: consentId = '' } = call.params;
        const { status } = await ownConsent(consentId, clientId);
        if (status !== 'awaitingAuthorisation' && status !== 'authorised')
          throw new OAuthError('invalid_request', 'the consent has ended already');
        const { position } = await decide(consent, consentId, revoke({ by: 'client', at: clock() }), commandOf(clientId, consentId));
        await readModels.reached(position);
        return noContent(204);
      }),
    },
  ];
};

const iso = (at: number): string => new Date(at * 1000).toISOString().replace('.000Z', '+00:00');

const representation = (consentId: string, { status, statusAt, lodgedAt, content }: LodgedConsent, self: string) => {
  if (content.kind !== 'account-access') throw new TypeError('not an account access consent');
  return {
    Data: {
      ConsentId: consentId,
      CreationDateTime: iso(lodgedAt),
      Status: STATUS[status],
      StatusUpdateDateTime: iso(statusAt),
      Permissions: content.permissions,
      ...(content.expirationDateTime !== null && { ExpirationDateTime: content.expirationDateTime }),
      ...(content.transactionFromDateTime !== null && { TransactionFromDateTime: content.transactionFromDateTime }),
      ...(content.transactionToDateTime !== null && { TransactionToDateTime: content.transactionToDateTime }),
    },
    Risk: {},
    Links: { Self: `${self}/${consentId}` },
    Meta: {},
  };
};

// FAPI 1 Baseline, section 6.2.1-11: what the client sent comes back, or an id of our own.
const interactionId = ({ headers }: Call): { 'x-fapi-interaction-id': string } => {
  const given = headers['x-fapi-interaction-id'];
  const usable = typeof given === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(given);
  return { 'x-fapi-interaction-id': usable ? given : randomUUID() };
};

const withInteractionId =
  (handle: Handler): Handler =>
  async (call) => {
    const reply = await handle(call);
    return { ...reply, headers: { ...reply.headers, ...interactionId(call) } };
  };

/** The error body of the Open Banking API; tokens that are no good keep to RFC 6750, our own faults to the common form. */
const refusedConsent = (refusal: OAuthError, call: Call): Reply => {
  const aboutToken = tokenRefusal(refusal, call);
  const { status, headers, body } = aboutToken ?? refusalReply(refusal);
  const all = { ...headers, ...interactionId(call) };
  if (aboutToken !== null || refusal.error === 'server_error') return { status, headers: all, body };
  const errors = [{ ErrorCode: 'UK.OBIE.Field.Invalid', Message: refusal.message }];
  const told: z.output<typeof ErrorBody> = { Code: `${status} ${refusal.error}`, Message: refusal.message, Errors: errors };
  return json(status, told, all);
};
