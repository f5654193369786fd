import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CONSENTS } from '../support/tpp.ts';
import { accountAccess, fundsConfirmation, PAYMENTS, SHOWN, vrp } from './support/intents.ts';
import type { Phone } from './support/phone.ts';
import { type Stage, startStage } from './support/stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await startStage({
    COUNTERSIGN_LIMITS_DEVICES_PER_PSU: '1000',
    COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000',
  });
});
afterAll(() => stage.close());

/** A consent of each type, and what a phone shows of it. */
const lodgedAs = <Body extends object>(body: Body, shown: (body: Body) => object[]) => ({ body, shown: shown(body) });
const TYPES: [type: string, path: string, scope: string, consent: () => { body: object; shown: object[] }][] = [
  ['accounts', 'aisp/account-access-consents', 'accounts', () => lodgedAs(accountAccess(), SHOWN.accounts)],
  [
    'payments',
    'pisp/domestic-payment-consents',
    'payments',
    () => lodgedAs(PAYMENTS['domestic-payment-consents'] ?? {}, () => SHOWN.payments),
  ],
  [
    'fundsconfirmations',
    'cbpii/funds-confirmation-consents',
    'fundsconfirmations',
    () => lodgedAs(fundsConfirmation(), SHOWN.fundsconfirmations),
  ],
  ['vrp', 'pisp/domestic-vrp-consents', 'payments', () => lodgedAs(vrp(), SHOWN.vrp)],
];
const DIALECTS: [dialect: string, register: () => Promise<Phone>, accepted: number][] = [
  ['older', () => stage.phone(), 202],
  ['newer', () => stage.newerPhone(), 200],
];

const statusOf = async (path: string, scope: string, consentId: string): Promise<string> => {
  const authorization = `Bearer ${await stage.tokenOf(stage.tpp, scope)}`;
  const response = await stage.call('GET', `${CONSENTS.split('/aisp/')[0]}/${path}/${consentId}`, authorization);
  return ((await response.json()) as { Data: { Status: string } }).Data.Status;
};

describe.each(DIALECTS)('C: a phone of the %s dialect', (_, register, accepted) => {
  test.each(TYPES)('C: shows, approves and denies %s', async (type, path, scope, consent) => {
    const phone = await register();
    const { body, shown } = consent();
    const consents = [await stage.lodge(path, scope, body), await stage.lodge(path, scope, body)];
    const ask = (id = '') => stage.ask({ scope: `openid ${scope}`, openbanking_intent_id: id });

    const approved = await ask(consents[0]);
    const push = await stage.push(phone.pushId, 1);
    expect(phone.shows(push)).toMatchObject({ type, application: 'Sample TPP', consentData: shown });
    expect((await phone.approve(push)).status).toBe(accepted);
    expect(await stage.poll(approved.authReqId)).toMatchObject({ status: 200, body: { access_token: expect.any(String) } });
    expect(await statusOf(path, scope, consents[0] ?? '')).toBe('Authorised');

    const denied = await ask(consents[1]);
    expect((await phone.deny(await stage.push(phone.pushId, 2))).status).toBe(accepted);
    expect(await stage.poll(denied.authReqId)).toMatchObject({ status: 400, body: { error: 'access_denied' } });
    expect(await statusOf(path, scope, consents[1] ?? '')).toBe('Rejected');
  });
});
