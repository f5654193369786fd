import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sendAnswer, testDevice } from '../support/device.ts';
import { CONSENTS } from '../support/tpp.ts';
import { accountAccess, fundsConfirmation, PAYMENTS, SHOWN, vrp } from './support/intents.ts';
import type { Phone } from './support/phone.ts';
import { answerOf, type Stage, startStage } from './support/stage.ts';

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

describe('C: phones of both dialects and one of our own, of one PSU', () => {
  const refusal = (error: string) => [409, { error, error_description: expect.any(String) }];

  /** The phones, each woken by the same request, and how each answers it. */
  const woken = async (mixed: Stage) => {
    const [older, newer, own] = [await mixed.phone(), await mixed.newerPhone(), await testDevice(mixed.tested, 'alice')];
    await own.call('PUT', `/devices/${own.deviceId}/push-token`, { push_token: 'own token' });
    const { requestId, authReqId } = await mixed.ask();
    const [toOlder, toNewer] = [await mixed.push(older.pushId), await mixed.push(newer.pushId)];
    expect(await mixed.push('own token')).toEqual({ request_id: requestId });
    expect([toOlder['sessionDataKey'], toOlder['challenge'] === toNewer['challenge']]).toEqual([toNewer['pushId'], false]);
    const shown = await own.retrieve(requestId);
    const ownAnswer = async (verdict: 'approved' | 'denied') =>
      sendAnswer(mixed.tested, requestId, await own.answer(shown, verdict, verdict === 'approved' ? ['psu-alice-1', 'psu-alice-2'] : []));
    return {
      ...{ requestId, authReqId },
      phones: {
        older: { approve: () => older.approve(toOlder), deny: () => older.deny(toOlder), accepted: 202, conflict: 'Conflict' },
        newer: { approve: () => newer.approve(toNewer), deny: () => newer.deny(toNewer), accepted: 200, conflict: 'Conflict' },
        own: { approve: () => ownAnswer('approved'), deny: () => ownAnswer('denied'), accepted: 200, conflict: 'conflict' },
      },
    };
  };
  const mixedStage = () => startStage({ COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000' });

  test.each(['older', 'newer', 'own'] as const)(
    'C: one request wakes all; the %s one answers first, and the others are refused in their own words',
    async (first) => {
      const mixed = await mixedStage();
      const { phones, requestId, authReqId } = await woken(mixed);
      const winner = phones[first];
      const others = Object.values(phones).filter((phone) => phone !== winner);
      expect((await winner.approve()).status).toBe(winner.accepted);
      for (const { deny, conflict } of others) expect(await answerOf(deny())).toEqual(refusal(conflict));
      // The answer that was given already is no other one.
      for (const { approve, accepted } of others) expect((await approve()).status).toBe(accepted);
      const answers = (await mixed.tested.log()).filter(({ type }) => /^CibaRequest(Approved|Denied)$/.test(type));
      expect(answers.map(({ type, stream }) => [type, stream])).toEqual([['CibaRequestApproved', `cibaRequest-${requestId}`]]);
      expect((await mixed.poll(authReqId)).status).toBe(200);
      await mixed.close();
    },
  );

  test('C: of all three at once one wins', async () => {
    const mixed = await mixedStage();
    const { phones, authReqId } = await woken(mixed);
    const { older, newer, own } = phones;
    const replies = await Promise.all([older.approve(), newer.deny(), own.approve()]);
    const taken = [older, newer, own].map(({ accepted }, n) => replies[n]?.status === accepted);
    // The two approvals are one answer.
    expect([
      [true, false, true],
      [false, true, false],
    ]).toContainEqual(taken);
    expect(replies.filter((_, n) => !taken[n]).map(({ status }) => status)).toEqual(taken[1] ? [409, 409] : [409]);
    expect((await mixed.poll(authReqId)).status).toBe(taken[1] ? 400 : 200);
    await mixed.close();
  });
});
