import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type StandingClock, standingClock } from '../support/clock.ts';
import { testEngine } from '../support/engine.ts';
import { type Gateway, gatewayOf, type Outcome } from '../support/gateway-simulator.ts';
import { ownToken, secretTpp } from '../support/tpp.ts';
import { accountAccess, fundsConfirmation, PAYMENTS, SHOWN, vrp } from './support/intents.ts';
import { officer } from './support/officer.ts';
import type { Phone, ShownConsent } from './support/phone.ts';
import { type Stage, startStage } from './support/stage.ts';
import { claimsOf } from './support/tpp.ts';

const API = '/open-banking/v3.1';
const ACCOUNTS = 'aisp/account-access-consents';

let time: StandingClock;
let stage: Stage;
let phone: Phone;
let pushes = 0;
let gateway: Gateway;
beforeAll(async () => {
  time = standingClock();
  stage = await startStage({ COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000' }, { clock: time.clock });
  phone = await stage.phone();
  const { basic } = await officer(stage.tested, 'consents:validate');
  gateway = gatewayOf(stage.tested.url, basic.authorization);
});
afterAll(() => stage.close());

interface Granted {
  consentId: string;
  token: string;
  shown: ShownConsent;
}

/** The TPP lodges a consent and asks for it, the PSU approves it on the phone, and the TPP polls its token. */
const granted = async (path: string, scope: string, body: object, accountIds?: readonly string[]): Promise<Granted> => {
  const consentId = await stage.lodge(path, scope, body);
  const { authReqId } = await stage.ask({ scope: `openid ${scope}`, openbanking_intent_id: consentId });
  pushes += 1;
  const push = await stage.push(phone.pushId, pushes);
  expect((await phone.approve(push, accountIds)).status).toBe(202);
  const { status, body: tokens } = await stage.poll(authReqId);
  expect([status, tokens]).toEqual([200, expect.objectContaining({ access_token: expect.any(String), scope: `openid ${scope}` })]);
  return { consentId, token: String(tokens['access_token']), shown: phone.shows(push) };
};
const accounts = (data: object = {}, accountIds?: readonly string[]) =>
  granted(ACCOUNTS, 'accounts', { Data: { Permissions: ['ReadBalances'], ...data }, Risk: {} }, accountIds);

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const get = (token: string, path: string, method = 'GET') => gateway.call({ method, path: API + path, headers: bearer(token) });
const BALANCES = '/aisp/accounts/psu-alice-1/balances';
const refused = (code: string, status = 401) => ({ status, errors: [{ code, message: expect.stringMatching(/\w/) }], sentOn: null });

/** That a call was let through, and what the bank's resource is told of the consent. */
const passes = async (call: Promise<Outcome>, consentId: string) => {
  const outcome = await call;
  expect(outcome).toMatchObject({ status: 200, sentOn: { headers: { 'Account-Request-Information': expect.any(String) } } });
  expect(claimsOf(outcome.sentOn?.headers['Account-Request-Information'] ?? '')).toMatchObject({ consentId, currentStatus: 'authorised' });
  return outcome;
};

describe('D2: a gateway', () => {
  test('D2: lets a call through that is allowed', async () => {
    const { token, consentId } = await accounts();
    const headers = { ...bearer(token), 'x-fapi-interaction-id': '93bac548-d2de-4546-b106-880a5018460d' };
    const { sentOn } = await passes(gateway.call({ method: 'GET', path: `${API}${BALANCES}?page=2`, headers }), consentId);
    expect(sentOn?.headers).toMatchObject(headers);
  });

  test('D2: lets none through from the moment when the consent was revoked', async () => {
    const { token, consentId } = await accounts();
    await passes(get(token, BALANCES), consentId);
    const own = `Bearer ${await stage.tokenOf(stage.tpp, 'accounts')}`;
    expect((await stage.call('DELETE', `${API}/${ACCOUNTS}/${consentId}`, own)).status).toBe(204);
    expect(await get(token, BALANCES)).toEqual(refused('00012'));
  });

  test('D2: lets none through after the end of the consent', async () => {
    const { token, consentId } = await accounts({ ExpirationDateTime: new Date((time.clock() + 60) * 1000).toISOString() });
    time.pass(59);
    await passes(get(token, BALANCES), consentId);
    time.pass(1);
    expect(await get(token, BALANCES)).toEqual(refused('00011'));
  });

  test('D2: lets none through under a consent of another client, or of another user', async () => {
    const { token, consentId } = await accounts();
    const claims = claimsOf(token);
    const call = { method: 'GET', path: API + BALANCES };
    await passes(gateway.enforce(claims, call), consentId);
    for (const foreign of [{ client_id: (await secretTpp(stage.tested)).client_id }, { sub: 'psu-bob' }, { consent_id: 'unknown' }])
      expect(await gateway.enforce({ ...claims, ...foreign }, call)).toEqual(refused('00012'));
  });

  test('D2: lets none through to an account that was not chosen', async () => {
    const { token, consentId } = await accounts({}, ['psu-alice-1']);
    await passes(get(token, BALANCES), consentId);
    for (const other of ['psu-alice-2', 'psu-bob-1'])
      expect(await get(token, `/aisp/accounts/${other}/balances`)).toEqual(refused('00010'));
  });

  test('D2: lets none through for which there is no permission', async () => {
    const { token } = await accounts();
    for (const path of ['/aisp/accounts', '/aisp/accounts/psu-alice-1', '/aisp/accounts/psu-alice-1/transactions'])
      expect(await get(token, path)).toEqual(refused('00010'));
  });

  test('D2: lets none through with a method that the resource does not have', async () => {
    const { token } = await accounts();
    for (const method of ['POST', 'PUT', 'DELETE']) expect(await get(token, BALANCES, method)).toEqual(refused('00013'));
  });

  test('D2: lets none through with a token that is none of a PSU, or of another issuer', async () => {
    const other = await testEngine();
    try {
      const foreign = await ownToken(other, await secretTpp(other));
      for (const token of ['', 'x', foreign]) expect(await get(token, BALANCES)).toMatchObject({ status: 401, sentOn: null });
    } finally {
      await other.close();
    }
    expect(await get(await stage.tokenOf(stage.tpp, 'accounts'), BALANCES)).toMatchObject({ status: 403, sentOn: null });
  });

  test('D2: lets no payment through but the one that was agreed to', async () => {
    const agreed = requestOf('domestic-payment-consents');
    const [{ token, consentId }, other] = [await granted(PAYMENT, 'payments', agreed), await granted(PAYMENT, 'payments', agreed)];
    const pay = (path: string, ConsentId: string, Initiation: object) =>
      gateway.call({
        ...{ method: 'POST', path: `${API}/pisp/${path}`, headers: bearer(token) },
        body: { Data: { ConsentId, Initiation }, Risk: agreed.Risk },
      });
    const { Initiation } = agreed.Data;
    await passes(pay('domestic-payments', consentId, Initiation), consentId);
    expect(await pay('domestic-payments', other.consentId, Initiation)).toEqual(refused('00014', 400));
    const more = { ...Initiation, InstructedAmount: { Amount: '1000.00', Currency: 'GBP' } };
    expect(await pay('domestic-payments', consentId, more)).toEqual(refused('00014', 400));
    expect(await pay('international-payments', consentId, Initiation)).toEqual(refused('00013'));
  });
});

interface PaymentRequest {
  Data: { Initiation: object };
  Risk: object;
}
const PAYMENT = 'pisp/domestic-payment-consents';
const requestOf = (name: string) => PAYMENTS[name] as PaymentRequest;

describe('C3, C4, D2: every type of consent, from the phone to the gateway', () => {
  test.each(Object.keys(PAYMENTS))('C3, C4, D2: %s', async (name) => {
    const request = requestOf(name);
    const { token, consentId, shown } = await granted(`pisp/${name}`, 'payments', request);
    expect(shown).toMatchObject({ type: 'payments', consentData: shownOf(name) });
    const path = `${API}/pisp/${name.replace('-consents', 's')}`;
    const body = { Data: { ConsentId: consentId, Initiation: request.Data.Initiation }, Risk: request.Risk };
    const { sentOn } = await passes(gateway.call({ method: 'POST', path, headers: bearer(token), body }), consentId);
    expect(sentOn?.body).toEqual(body);
    await passes(gateway.call({ method: 'GET', path: `${path}/1`, headers: bearer(token) }), consentId);
  });

  test('C3, C4, D2: accounts', async () => {
    const request = accountAccess();
    const { token, consentId, shown } = await granted(ACCOUNTS, 'accounts', request);
    expect(shown).toMatchObject({ type: 'accounts', consentData: SHOWN.accounts(request) });
    for (const path of ['/aisp/accounts', BALANCES, '/aisp/accounts/psu-alice-2/transactions']) await passes(get(token, path), consentId);
  });

  test('C3, C4, D2: variable recurring payments', async () => {
    const request = vrp();
    const { token, consentId, shown } = await granted('pisp/domestic-vrp-consents', 'payments', request);
    expect(shown).toMatchObject({ type: 'vrp', consentData: SHOWN.vrp(request) });
    const { Initiation } = request.Data;
    const Instruction = { InstructedAmount: { Amount: '99.99', Currency: 'GBP' }, CreditorAccount: Initiation.CreditorAccount };
    const body = { Data: { ConsentId: consentId, Initiation, Instruction }, Risk: request.Risk };
    await passes(gateway.call({ method: 'POST', path: `${API}/pisp/domestic-vrps`, headers: bearer(token), body }), consentId);
  });

  test('C3, C4, D2: funds confirmations', async () => {
    const request = fundsConfirmation();
    const { token, consentId, shown } = await granted('cbpii/funds-confirmation-consents', 'fundsconfirmations', request);
    expect(shown).toMatchObject({ type: 'fundsconfirmations', consentData: SHOWN.fundsconfirmations(request) });
    const body = { Data: { ConsentId: consentId, Reference: 'Purchase01', InstructedAmount: { Amount: '20.00', Currency: 'GBP' } } };
    await passes(gateway.call({ method: 'POST', path: `${API}/cbpii/funds-confirmations`, headers: bearer(token), body }), consentId);
  });
});

/** What is shown of each payment: all of those in the contract, and of the others at least this. */
const shownOf = (name: string): unknown => {
  if (name === 'domestic-payment-consents') return SHOWN.payments;
  if (name === 'international-payment-consents') return SHOWN.international;
  const words = name.replace('-consents', 's').split('-');
  const type = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(' ');
  return expect.arrayContaining([{ title: 'Payment Type', data: [type] }, SHOWN.payments.at(-1)]);
};
