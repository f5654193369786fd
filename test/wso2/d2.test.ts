import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeProtectedHeader } from 'jose';
import { of } from 'rxjs';
import { systemClock } from '../../src/adapters/clock.ts';
import { erase, psu } from '../../src/domain/psu/decider.ts';
import { type TestDevice, testDevice } from '../support/device.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { signJws, testKey } from '../support/jws.ts';
import { ask, lodge, secretTpp } from '../support/tpp.ts';
import { asClient, call, lodgeAs, officer } from './support/officer.ts';

const VALIDATE = '/api/openbanking/consent/validate';
const INITIATION = { InstructedAmount: { Amount: '10.00', Currency: 'GBP' }, CreditorAccount: { Identification: '0808', Name: 'ACME' } };
const RISK = { PaymentContextCode: 'EcommerceGoods' };
const IN_USE = {
  status: 'active' as const,
  ...{ publishedAt: 0, usableFrom: 0, activatedAt: 0, tokenSeconds: 0, retiredAt: null, publishedUntil: null },
};

let tested: TestEngine;
let now = systemClock();
let gateway: Awaited<ReturnType<typeof officer>>;
let tpp: { client_id: string; client_secret: string };
let alice: TestDevice;
beforeAll(async () => {
  tested = await testEngine({ clock: () => now });
  gateway = await officer(tested, 'consents:validate');
  tpp = await secretTpp(tested, { scope: 'openid accounts payments fundsconfirmations' });
  alice = await testDevice(tested, 'alice');
});
afterAll(() => tested.close());

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
/** A JWT as a gateway makes it whose key nobody knows. */
const unsecured = (claims: object): string => `${encoded({ alg: 'none' })}.${encoded(claims)}.`;

const post = (jwt: string, headers: Record<string, string> = gateway.basic) =>
  call(tested, 'POST', VALIDATE, { 'content-type': 'application/jwt', ...headers }, jwt);

const validated = async (consentId: string, claims: object) => {
  const { status, body } = await post(
    unsecured({ headers: {}, body: null, userId: 'psu-alice', clientId: tpp.client_id, resourceParams: {}, ...claims, consentId }),
  );
  expect(status).toBe(200);
  return body;
};

const approved = async (consentId: string, scope = 'accounts'): Promise<string> => {
  const { requestId } = await ask(tested, tpp, { openbanking_intent_id: consentId, scope: `openid ${scope}` });
  await alice.decide(requestId, 'approved');
  return consentId;
};
const accountsConsent = async (...permissions: string[]) => approved(await lodge(tested, tpp, { Permissions: permissions }));
const lodgedPayment = (paymentType: 'domestic' | 'file' | 'international-scheduled') =>
  lodgeAs(
    tested,
    tpp.client_id,
    { consentType: 'payments', content: { kind: 'payment', paymentType } },
    { Data: { Initiation: INITIATION }, Risk: RISK },
  );

const lodgedVrp = (bounds: object = {}, Initiation: object = INITIATION) => {
  const ControlParameters = { MaximumIndividualAmount: { Amount: '100.5', Currency: 'GBP' }, ...bounds };
  const terms = { consentType: 'vrp' as const, content: { kind: 'vrp' as const } };
  return lodgeAs(tested, tpp.client_id, terms, { Data: { Initiation, ControlParameters }, Risk: RISK });
};

describe('D2: POST /api/openbanking/consent/validate', () => {
  test('D2: a call under the consent is valid, and the consent is told, signed by the engine', async () => {
    const consentId = await accountsConsent('ReadAccountsDetail', 'ReadBalances');
    const body = await validated(consentId, { electedResource: '/accounts/{AccountId}/balances' });
    expect(body).toEqual({ isValid: true, consentInformation: expect.any(String) });
    const told = await tested.ports.signer.verify(String(body['consentInformation']), 'JWT');
    expect(told).toMatchObject({
      consentId,
      clientId: tpp.client_id,
      currentStatus: 'authorised',
      consentType: 'accounts',
      receipt: { Data: { Permissions: ['ReadAccountsDetail', 'ReadBalances'] } },
      authorizationResources: [{ userId: 'psu-alice', authorizationStatus: 'authorised' }],
      consentMappingResources: [{ accountId: 'psu-alice-1', mappingStatus: 'active' }, { accountId: 'psu-alice-2' }],
    });
  });

  test('D2: the consent is told by a key that is published, also if it was told by another before', async () => {
    const rotating = await testEngine();
    const { signer } = rotating.ports;
    try {
      const { client_id: clientId } = await secretTpp(rotating);
      const { basic } = await officer(rotating, 'consents:validate');
      const consentId = await lodgeAs(rotating, clientId);
      const jwt = unsecured({ electedResource: '/balances', consentId, userId: 'psu-alice', clientId });
      const told = async () => {
        const { body } = await call(rotating, 'POST', VALIDATE, { 'content-type': 'application/jwt', ...basic }, jwt);
        return String(body['consentInformation']);
      };
      const [former, again] = [await told(), await told()];
      expect(again).toBe(former);
      const next = await signer.offer('ES256');
      signer.follow({ ES256: [{ ...next, ...IN_USE }], PS256: [] }, rotating.ports.clock());
      expect(decodeProtectedHeader(former).kid).not.toBe(next.kid);
      expect(decodeProtectedHeader(await told()).kid).toBe(next.kid);
    } finally {
      await rotating.close();
    }
  });

  test('D2: what an erased PSU agreed to is told no more, however lately it was', async () => {
    const erasing = await testEngine({ onDuty: of(false) });
    try {
      const own = await secretTpp(erasing, { scope: 'openid accounts' });
      const phone = await testDevice(erasing, 'alice');
      const { basic } = await officer(erasing, 'consents:validate');
      const consentId = await lodge(erasing, own);
      const { requestId } = await ask(erasing, own, { openbanking_intent_id: consentId });
      await phone.decide(requestId, 'approved');
      const jwt = unsecured({ electedResource: '/balances', consentId, userId: 'psu-alice', clientId: own.client_id });
      const told = async () => {
        const { body } = await call(erasing, 'POST', VALIDATE, { 'content-type': 'application/jwt', ...basic }, jwt);
        return JSON.stringify(await erasing.ports.signer.verify(String(body['consentInformation']), 'JWT'));
      };
      expect(await told()).toContain('psu-alice-1');
      const command = asClient(own.client_id, 'psu-alice');
      const fact = erase({ psuId: 'psu-alice', reason: 'case 4711', at: systemClock() });
      const { position } = await erasing.engine.decide(psu, 'psu-alice', fact, command);
      await erasing.engine.readModels.reached(position);
      expect(await told()).not.toContain('psu-alice-1');
    } finally {
      await erasing.close();
    }
  });

  test('D2: a user may be named with a tenant', async () => {
    const consentId = await accountsConsent('ReadBalances');
    for (const [userId, isValid] of [
      ['psu-alice@carbon.super', true],
      ['psu-alice@bank.example', false],
    ] as const)
      expect(await validated(consentId, { electedResource: '/balances', userId })).toMatchObject({ isValid });
  });

  test.each([
    ['/accounts', 'ReadAccountsBasic'],
    ['/accounts/{AccountId}', 'ReadAccountsDetail'],
    ['/accounts/psu-alice-1', 'ReadAccountsDetail'],
    ['/accounts/psu-alice-2/transactions', 'ReadTransactionsDetail'],
    ['/accounts/psu-alice-2/direct-debits', 'ReadDirectDebits'],
    ['/accounts/psu-alice-2/product', 'ReadProducts'],
    ['/accounts/psu-alice-2/party', 'ReadParty'],
    ['/accounts/psu-alice-2/statements/1/file', 'ReadStatementsBasic'],
    ['/accounts/psu-alice-2/statements/1/transactions', 'ReadTransactionsBasic'],
    ['/party', 'ReadPartyPSU'],
    ['/open-banking/v3.1/aisp/scheduled-payments?page=2', 'ReadScheduledPaymentsBasic'],
  ])('D2: 00010: %s needs %s', async (electedResource, permission) => {
    expect(await validated(await accountsConsent(permission), { electedResource })).toMatchObject({ isValid: true });
    expect(await validated(await accountsConsent('ReadOffers'), { electedResource })).toMatchObject({
      isValid: false,
      errorCode: '00010',
      httpCode: 401,
    });
  });

  test('D2: 00010: an account that was not chosen', async () => {
    const consentId = await accountsConsent('ReadBalances');
    const resourceParams = { ResourcePath: '/accounts/psu-bob-1/balances', httpMethod: 'GET' };
    expect(await validated(consentId, { electedResource: '/accounts/{AccountId}/balances', resourceParams })).toMatchObject({
      isValid: false,
      errorCode: '00010',
    });
  });

  test('D2: 00011: a consent whose end has come, though nobody has recorded that yet', async () => {
    const ends = new Date((now + 50) * 1000).toISOString();
    const consentId = await approved(await lodge(tested, tpp, { ExpirationDateTime: ends }));
    expect(await validated(consentId, { electedResource: '/balances' })).toMatchObject({ isValid: true });
    now += 50;
    const refused = { isValid: false, errorCode: '00011', errorMessage: 'Consent is expired', httpCode: 401 };
    expect(await validated(consentId, { electedResource: '/balances' })).toMatchObject(refused);
  });

  test('D2: 00013: a path that is none', async () => {
    const consentId = await accountsConsent('ReadBalances');
    const paths = [
      '/payments',
      '/accounts/1/2',
      '/',
      '',
      '/balances/1',
      '/accounts/1/balances/2',
      '/constructor',
      '/accounts/1/toString',
      '/x/aisp/balances',
    ];
    for (const electedResource of paths)
      expect(await validated(consentId, { electedResource })).toMatchObject({ isValid: false, errorCode: '00013', httpCode: 401 });
  });

  test('D2: 00013: a method that the path does not have', async () => {
    const accounts = await accountsConsent('ReadBalances');
    const payment = await approved(await lodgedPayment('domestic'), 'payments');
    const recurring = await approved(await lodgedVrp(), 'payments');
    const fundsTerms = { consentType: 'fundsconfirmations' as const, content: { kind: 'funds-confirmation' as const } };
    const funds = await approved(await lodgeAs(tested, tpp.client_id, fundsTerms), 'fundsconfirmations');
    const paid = { Data: { ConsentId: payment, Initiation: INITIATION }, Risk: RISK };
    for (const [consentId, path, right, body] of [
      [accounts, '/balances', 'GET'],
      [accounts, '/accounts/psu-alice-1/balances', 'GET'],
      [payment, '/domestic-payments', 'POST', paid],
      [payment, '/domestic-payments/1', 'GET'],
      [payment, `/domestic-payment-consents/${payment}/funds-confirmation`, 'GET'],
      [recurring, `/domestic-vrp-consents/${recurring}/funds-confirmation`, 'POST'],
      [recurring, '/domestic-vrps/1', 'GET'],
      [funds, '/funds-confirmations', 'POST'],
    ] as const) {
      const by = (httpMethod: string) =>
        validated(consentId, { electedResource: path, body, resourceParams: { ResourcePath: path, httpMethod } });
      expect([path, await by(right)]).toMatchObject([path, { isValid: true }]);
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', ''].filter((one) => one !== right))
        expect([path, method, await by(method)]).toMatchObject([path, method, { isValid: false, errorCode: '00013', httpCode: 401 }]);
    }
  });

  test('D2: a payload is never modified: a gateway sends on what it got', async () => {
    const consentId = await approved(await lodgedPayment('domestic'), 'payments');
    const body = { Data: { ConsentId: consentId, Initiation: INITIATION }, Risk: RISK };
    for (const [sent, members] of [
      [body, ['isValid', 'consentInformation']],
      [{}, ['isValid', 'errorCode', 'errorMessage', 'httpCode', 'consentInformation']],
    ] as const)
      expect(Object.keys(await validated(consentId, { electedResource: '/domestic-payments', body: sent }))).toEqual(members);
  });

  test('D2: what is not authorised, unknown, of another client or of another user, is told alike', async () => {
    const consentId = await accountsConsent('ReadBalances');
    const waiting = await lodge(tested, tpp);
    const electedResource = '/balances';
    const refused = { isValid: false, errorCode: '00012', errorMessage: expect.any(String), httpCode: 401 };
    const none = { ...refused, consentInformation: '' };
    expect(await validated('unknown', { electedResource })).toEqual(none);
    expect(await validated(consentId, { electedResource, clientId: 'another' })).toEqual(none);
    expect(await validated(consentId, { electedResource, userId: 'psu-bob' })).toMatchObject(refused);
    expect(await validated(waiting, { electedResource })).toMatchObject(refused);
    const token = await officer(tested, 'consents:read_all');
    await call(tested, 'DELETE', `/api/openbanking/consent/admin/revoke?consentID=${consentId}`, token.bearer);
    expect(await validated(consentId, { electedResource })).toMatchObject(refused);
  });

  test('D2: a payment as it was agreed to, and no other', async () => {
    const consentId = await approved(await lodgedPayment('domestic'), 'payments');
    const sent = (initiation: object, risk: object = RISK) => ({
      electedResource: '/domestic-payments',
      body: { Data: { ConsentId: consentId, Initiation: initiation }, Risk: risk },
    });
    expect(await validated(consentId, sent(INITIATION))).toMatchObject({ isValid: true });
    for (const electedResource of [
      '/domestic-payments/{DomesticPaymentId}',
      '/domestic-payment-consents/{ConsentId}/funds-confirmation',
      `/domestic-payment-consents/${consentId}/funds-confirmation`,
    ])
      for (const body of [null, {}]) expect(await validated(consentId, { electedResource, body })).toMatchObject({ isValid: true });
    const more = { ...INITIATION, InstructedAmount: { Amount: '10.01', Currency: 'GBP' } };
    const ofAnother = { ...sent(INITIATION), body: { Data: { ConsentId: 'another', Initiation: INITIATION }, Risk: RISK } };
    for (const other of [sent(more), sent({}), sent(INITIATION, {}), { ...sent(INITIATION), body: {} }, ofAnother])
      expect(await validated(consentId, other)).toMatchObject({ isValid: false, errorCode: '00014', httpCode: 400 });
    for (const electedResource of ['/international-payments', '/domestic-payments/1/x', '/accounts'])
      expect(await validated(consentId, { electedResource })).toMatchObject({ isValid: false, errorCode: '00013' });
  });

  test('D2: 00014: a payment that is sent without a body', async () => {
    const consentId = await approved(await lodgedPayment('domestic'), 'payments');
    const recurring = await approved(await lodgedVrp(), 'payments');
    for (const [of, electedResource] of [
      [consentId, '/domestic-payments'],
      [recurring, '/domestic-vrps'],
    ] as const)
      for (const call of [{ electedResource }, { electedResource, resourceParams: { ResourcePath: electedResource, httpMethod: 'POST' } }])
        expect(await validated(of, call)).toMatchObject({ isValid: false, errorCode: '00014', httpCode: 400 });
    for (const path of ['/domestic-vrps/1', '/domestic-vrps/1/payment-details', `/domestic-vrp-consents/${recurring}/funds-confirmation`])
      expect(await validated(recurring, { electedResource: path })).toMatchObject({ isValid: true });
  });

  test('D2: funds confirmations', async () => {
    const terms = { consentType: 'fundsconfirmations' as const, content: { kind: 'funds-confirmation' as const } };
    const consentId = await approved(await lodgeAs(tested, tpp.client_id, terms), 'fundsconfirmations');
    expect(await validated(consentId, { electedResource: '/funds-confirmations' })).toMatchObject({ isValid: true });
    expect(await validated(consentId, { electedResource: '/balances' })).toMatchObject({ isValid: false, errorCode: '00013' });
  });

  test('D2: 00014: a call that names another consent, in its path or in its body', async () => {
    const terms = { consentType: 'fundsconfirmations' as const, content: { kind: 'funds-confirmation' as const } };
    const funds = await approved(await lodgeAs(tested, tpp.client_id, terms), 'fundsconfirmations');
    const payment = await approved(await lodgedPayment('domestic'), 'payments');
    const recurring = await approved(await lodgedVrp(), 'payments');
    const told = (path: string, ConsentId: string) => ({ electedResource: path, body: { Data: { ConsentId } } });
    for (const [consentId, ownCall, ...others] of [
      [funds, told('/funds-confirmations', funds), told('/funds-confirmations', payment)],
      [
        payment,
        { electedResource: `/domestic-payment-consents/${payment}/funds-confirmation` },
        { electedResource: `/domestic-payment-consents/${recurring}/funds-confirmation` },
      ],
      [
        recurring,
        told(`/domestic-vrp-consents/${recurring}/funds-confirmation`, recurring),
        told(`/domestic-vrp-consents/${payment}/funds-confirmation`, recurring),
        told(`/domestic-vrp-consents/${recurring}/funds-confirmation`, payment),
        told('/domestic-vrp-consents/{ConsentId}/funds-confirmation', payment),
      ],
    ] as const) {
      expect(await validated(consentId, ownCall)).toMatchObject({ isValid: true });
      for (const other of others)
        expect(await validated(consentId, other)).toMatchObject({ isValid: false, errorCode: '00014', httpCode: 400 });
    }
  });

  const { CreditorAccount } = INITIATION;
  const instructed = (instruction: object | undefined, initiation: object = INITIATION) => ({
    electedResource: '/domestic-vrps',
    body: { Data: { Initiation: initiation, ...(instruction && { Instruction: instruction }) }, Risk: RISK },
  });
  const paying = (Amount: unknown, Currency = 'GBP') => instructed({ InstructedAmount: { Amount, Currency }, CreditorAccount });
  const paysNot = async (consentId: string, sent: object) =>
    expect(await validated(consentId, sent)).toMatchObject({ isValid: false, errorCode: '00014', httpCode: 400 });

  test('D2: variable recurring payments, up to the most of one', async () => {
    const consentId = await approved(await lodgedVrp(), 'payments');
    for (const amount of ['100.50', '100', '0.01']) expect(await validated(consentId, paying(amount))).toMatchObject({ isValid: true });
    for (const wrong of [paying('100.51'), paying('1000'), paying('1', 'EUR'), paying('-1'), paying(null)]) await paysNot(consentId, wrong);
  });

  test('D2: variable recurring payments, with an instruction, and to the creditor who was agreed', async () => {
    const consentId = await approved(await lodgedVrp(), 'payments');
    const InstructedAmount = { Amount: '1', Currency: 'GBP' };
    const Other = { ...CreditorAccount, Identification: '9999' };
    for (const wrong of [undefined, {}, { CreditorAccount }, { InstructedAmount }, { InstructedAmount, CreditorAccount: Other }])
      await paysNot(consentId, instructed(wrong));
    const { CreditorAccount: _, ...nobody } = INITIATION;
    const toAny = await approved(await lodgedVrp({}, nobody), 'payments');
    expect(await validated(toAny, instructed({ InstructedAmount, CreditorAccount: Other }, nobody))).toMatchObject({ isValid: true });
  });

  test('D2: variable recurring payments, from their first moment to their last', async () => {
    const isoAt = (at: number) => new Date(at * 1000).toISOString();
    const bounds = { ValidFromDateTime: isoAt(now + 10), ValidToDateTime: isoAt(now + 20) };
    const consentId = await approved(await lodgedVrp(bounds), 'payments');
    await paysNot(consentId, paying('1'));
    now += 10;
    expect(await validated(consentId, paying('1'))).toMatchObject({ isValid: true });
    now += 9;
    expect(await validated(consentId, paying('1'))).toMatchObject({ isValid: true });
    now += 1;
    await paysNot(consentId, paying('1'));
  });

  test('D2: a consent of a request alone has no permissions', async () => {
    const { requestId } = await ask(tested, tpp);
    await alice.decide(requestId, 'approved');
    expect(await validated(requestId, { electedResource: '/balances' })).toMatchObject({ isValid: false, errorCode: '00010' });
  });

  test('D2: only for gateways that are registered for it', async () => {
    const jwt = unsecured({ electedResource: '/balances', consentId: 'x', userId: 'x', clientId: 'x' });
    const other = await officer(tested, 'consents:read_all');
    expect(await post(jwt, other.basic)).toMatchObject({ status: 403, body: { error: 'insufficient_scope' } });
    expect(await post(jwt, {})).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
    expect(await post(jwt, gateway.bearer)).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
    expect(await post(jwt, { authorization: `Basic ${btoa(`${gateway.clientId}:wrong`)}` })).toMatchObject({ status: 401 });
  });

  test('D2: a gateway with keys must sign', async () => {
    const key = testKey('PS256');
    const clientId = await tested.client(
      { scope: 'consents:validate', token_endpoint_auth_method: 'client_secret_basic', jwks: { keys: [key.publicJwk] } },
      's3cret',
    );
    const basic = { authorization: `Basic ${btoa(`${clientId}:s3cret`)}` };
    const claims = { electedResource: '/balances', consentId: 'x', userId: 'x', clientId: 'x' };
    expect(await post(await signJws(key, claims), basic)).toMatchObject({ status: 200, body: { errorCode: '00012' } });
    for (const jwt of [unsecured(claims), await signJws(testKey('PS256'), claims)])
      expect(await post(jwt, basic)).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  });

  test('D2: what is no JWT, or lacks a claim', async () => {
    const claims = { electedResource: '/balances', consentId: 'x', userId: 'x', clientId: 'x' };
    for (const jwt of ['', 'x', 'a.b', 'a.b.c', `a.${encoded([])}.`, 'a.*.', unsecured({ ...claims, consentId: 1 }), unsecured({})])
      expect(await post(jwt)).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    expect(await post(unsecured(claims), { ...gateway.basic, 'content-type': 'application/json' })).toMatchObject({ status: 400 });
  });
});
