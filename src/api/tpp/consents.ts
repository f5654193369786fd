import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import express, { type ErrorRequestHandler, type Request, type Response, Router } from 'express';
import * as z from 'zod';
import { consent, type LodgedConsent, lodge, revoke } from '../../domain/consent/decider.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import { send } from '../listener.ts';
import { parse } from '../parse.ts';
import type { ReadModels } from '../read-models.ts';
import { asRefusal, json, noContent, refusalReply } from '../reply.ts';
import { PATHS } from '../surface.ts';
import type { Bearer } from './bearer.ts';

const PERMISSIONS = [
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

interface Deps {
  bearer: Bearer;
  decide: Decide;
  load: Load;
  readModels: ReadModels;
  clock: Clock;
  ids: Ids;
  issuer: string;
  bodyBytes: number;
}

/** Lodging, reading and deleting account access consents (Open Banking Read/Write API 3.1). */
export const consentRoutes = ({ bearer, decide, load, readModels, clock, ids, issuer, bodyBytes }: Deps): Router => {
  const self = issuer + PATHS.accountAccessConsents;

  const ownClient = async (req: Request): Promise<string> => {
    const { clientId, psuId } = await bearer(req, 'accounts');
    if (psuId !== null) throw new OAuthError('insufficient_scope', 'consents are managed with a client_credentials token');
    return clientId;
  };

  // Read only once the caller has shown a token for it.
  const parseJson = promisify(express.json({ limit: bodyBytes }) as (req: Request, res: Response, next: (error?: unknown) => void) => void);

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

  return Router()
    .use((req, res, next) => {
      res.set('x-fapi-interaction-id', interactionId(req));
      next();
    })
    .post('/', async (req, res) => {
      const clientId = await ownClient(req);
      await parseJson(req, res);
      const { Data } = parse(AccountAccessConsent, req.body);
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
      send(res, json(201, representation(consentId, await ownConsent(consentId, clientId), self)));
    })
    .get('/:consentId', async (req, res) => {
      const clientId = await ownClient(req);
      const { consentId } = req.params;
      send(res, json(200, representation(consentId, await ownConsent(consentId, clientId), self)));
    })
    .delete('/:consentId', async (req, res) => {
      const clientId = await ownClient(req);
      const { consentId } = req.params;
      const { status } = await ownConsent(consentId, clientId);
      if (status !== 'awaitingAuthorisation' && status !== 'authorised')
        throw new OAuthError('invalid_request', 'the consent has ended already');
      const { position } = await decide(consent, consentId, revoke({ by: 'client', at: clock() }), commandOf(clientId, consentId));
      await readModels.reached(position);
      send(res, noContent(204));
    })
    .all(['/', '/:consentId'], (req, res) => {
      res.set('Allow', req.path === '/' ? 'POST' : 'GET, HEAD, DELETE');
      throw new OAuthError('method_not_allowed', 'the method is not allowed here');
    })
    .use(refusedConsent);
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

const interactionId = (req: Request): string => {
  const given = req.get('x-fapi-interaction-id') ?? '';
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(given) ? given : randomUUID();
};

/** The error body of the Open Banking API; tokens that are no good keep to RFC 6750. Our own faults go on to the common handler. */
const refusedConsent: ErrorRequestHandler = (error, _req, res, next) => {
  const refusal = asRefusal(error);
  if (refusal.error === 'server_error') return next(error);
  const { status, headers, body } = refusalReply(refusal);
  if (status === 401 || status === 403)
    return send(res, { status, headers: { ...headers, 'WWW-Authenticate': `Bearer error="${refusal.error}"` }, body });
  const errors = [{ ErrorCode: 'UK.OBIE.Field.Invalid', Message: refusal.message }];
  send(res, json(status, { Code: `${status} ${refusal.error}`, Message: refusal.message, Errors: errors }, headers));
};
