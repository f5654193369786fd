import { systemIds } from '../../../src/adapters/clock.ts';
import { amend, consent, lodge, ofRequest } from '../../../src/domain/consent/decider.ts';
import type { ConsentFact } from '../../../src/domain/consent/events.ts';
import type { TestEngine } from '../../support/engine.ts';

type Lodged = Extract<ConsentFact, { type: 'ConsentLodged' }>;
const SECRET = 's3cret';

/** A client of the ASPSP that is registered for a scope: how it calls by a token of its own, and by Basic. */
export const officer = async (tested: TestEngine, scope: string) => {
  const client_id = await tested.client({ scope, token_endpoint_auth_method: 'client_secret_basic' }, SECRET);
  const basic = { authorization: `Basic ${btoa(`${client_id}:${SECRET}`)}` };
  const { body } = await tested.post('/oauth2/token', { grant_type: 'client_credentials', scope }, basic);
  return { clientId: client_id, basic, bearer: { authorization: `Bearer ${body['access_token']}` } };
};

/** What an endpoint of the consent service answers. */
export const call = async (
  tested: TestEngine,
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: string,
): Promise<{ status: number; body: Record<string, unknown>; headers: Headers }> => {
  const response = await fetch(tested.url + path, { method, headers, redirect: 'manual', ...(body !== undefined && { body }) });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) };
};

/** Lodges a consent of any kind for a client, as the intents do. */
export const lodgeAs = async (
  { engine, ports: { clock } }: TestEngine,
  clientId: string,
  terms: Partial<Lodged['data']> = {},
  receipt: NonNullable<Lodged['personal']>['receipt'] = { Data: { Permissions: ['ReadBalances'] }, Risk: {} },
): Promise<string> => {
  const consentId = systemIds.uuid();
  const data: Lodged['data'] = {
    ...ofRequest({ clientId, scope: '', at: clock() }),
    consentType: 'accounts',
    content: {
      kind: 'account-access',
      permissions: ['ReadBalances'],
      expirationDateTime: null,
      transactionFromDateTime: null,
      transactionToDateTime: null,
    },
    ...terms,
  };
  const { position } = await engine.decide(consent, consentId, lodge(data, receipt), asClient(clientId, consentId));
  await engine.readModels.reached(position);
  return consentId;
};

/** Gives a consent another receipt, as an amendment does: nobody has agreed to that. */
export const amendAs = async ({ engine, ports: { clock } }: TestEngine, clientId: string, consentId: string): Promise<void> => {
  const state = await engine.load(consent, consentId);
  if (state.status === 'absent') throw new Error(consentId);
  const terms = { content: state.content, expiresAt: null, reason: 'other terms', at: clock() };
  const decision = amend(terms, { Data: { Permissions: ['ReadPAN'] }, Risk: {} }, () => null);
  const { position } = await engine.decide(consent, consentId, decision, asClient(clientId, consentId));
  await engine.readModels.reached(position);
};

/** What an event of a client is recorded with. */
export const asClient = (clientId: string, correlationId: string) => ({
  id: systemIds.uuid(),
  actor: { kind: 'client', id: clientId } as const,
  correlationId,
  causationId: null,
});
