import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { INTENT_TYPES } from '../../src/api/tpp/intents/intent-types.ts';
import { PERMISSIONS } from '../../src/domain/consent/permissions.ts';
import { type StandingClock, standingClock } from '../support/clock.ts';
import { type TestDevice, testDevice } from '../support/device.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { facts } from '../support/log.ts';
import { type RacingStore, racingStore } from '../support/racing-store.ts';
import { ask, type SigningTpp } from '../support/tpp.ts';
import { accountAccess, filePayment, fundsConfirmation, PAYMENTS, vrp } from './support/intents.ts';
import { type IntentBody, intentsAt, referenceTpp } from './support/tpp.ts';

type Intents = Awaited<ReturnType<typeof intentsAt>>;

let time: StandingClock;
let racing: RacingStore;
let tested: TestEngine;
let tpp: SigningTpp;
let phone: TestDevice;
let accounts: Intents;
let payments: Intents;

beforeAll(async () => {
  time = standingClock();
  racing = racingStore(inMemoryEventStore());
  tested = await testEngine({ clock: time.clock, nowMs: time.nowMs, store: racing });
  tpp = await referenceTpp(tested);
  phone = await testDevice(tested, 'alice');
  accounts = await intentsAt(tested, tpp, 'aisp/account-access-consents', 'accounts');
  payments = await intentsAt(tested, tpp, 'pisp/domestic-payment-consents', 'payments');
});
afterAll(() => tested.close());

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const PAYMENT = PAYMENTS['domestic-payment-consents'] as object;
const withKey = (key: string = randomUUID()) => ({ 'x-idempotency-key': key });

const lodged = async (reply: Promise<Response>): Promise<IntentBody> => {
  const response = await reply;
  const body = (await response.json()) as IntentBody;
  expect([response.status, body]).toEqual([201, expect.anything()]);
  return body;
};
/** Refused in the words of the Open Banking API, without a fact. */
const refuses = async (call: () => Promise<Response>, status = 400, code?: string) => {
  const before = await tested.ports.store.head();
  const response = await call();
  expect([response.status, await response.json()]).toEqual([
    status,
    {
      Code: expect.stringMatching(new RegExp(`^${status} `)),
      Message: expect.any(String),
      Errors: [{ ErrorCode: code === undefined ? expect.stringMatching(/^UK\.OBIE\./) : `UK.OBIE.${code}`, Message: expect.any(String) }],
    },
  ]);
  expect(await facts(tested, before)).toEqual([]);
  return response;
};
const answered = async (consentId: string, verdict: 'approved' | 'denied') => {
  const request = await tpp.requestObject({ scope: 'openid accounts payments', openbanking_intent_id: { value: consentId } });
  await phone.decide((await ask(tested, await tpp.authentication(), { request })).requestId, verdict);
};
const statusOf = async (intents: Intents, id: string) => ((await (await intents.call('GET', id)).json()) as IntentBody).Data.Status;

/** What a consent of the type is told as. */
const told = (request: { Data: object; Risk?: object }, { at }: Intents, status = 'AwaitingAuthorisation') => ({
  Data: {
    ...request.Data,
    ConsentId: expect.stringMatching(UUID),
    Status: status,
    CreationDateTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/),
    StatusUpdateDateTime: expect.any(String),
  },
  Risk: request.Risk ?? {},
  Links: { Self: expect.stringMatching(new RegExp(`^${tested.url}${at}/`)) },
  Meta: {},
});

describe('B3: account-access-consents', () => {
  test('are lodged with the headers of the profile, and read', async () => {
    const interaction = { 'x-fapi-interaction-id': randomUUID(), 'x-fapi-financial-id': 'open-bank' };
    const response = await accounts.post(accountAccess(), interaction);
    expect([response.status, response.headers.get('x-fapi-interaction-id')]).toEqual([201, interaction['x-fapi-interaction-id']]);
    const body = (await response.json()) as IntentBody;
    expect(body).toEqual(told({ ...accountAccess(), Data: { ...accountAccess().Data, ExpirationDateTime: expect.any(String) } }, accounts));
    expect(body.Links.Self).toBe(`${tested.url}${accounts.at}/${body.Data.ConsentId}`);
    expect(await (await accounts.call('GET', body.Data.ConsentId)).json()).toEqual(body);
  });

  test('have an interaction id of our own where the call has none', async () =>
    expect((await accounts.post(accountAccess())).headers.get('x-fapi-interaction-id')).toMatch(UUID));

  test('are deleted once', async () => {
    const { ConsentId } = (await lodged(accounts.post(accountAccess()))).Data;
    expect((await accounts.call('DELETE', ConsentId)).status).toBe(204);
    expect(await statusOf(accounts, ConsentId)).toBe('Revoked');
    await refuses(() => accounts.call('DELETE', ConsentId));
  });

  test('know no PUT, no PATCH and no file', async () => {
    const { ConsentId } = (await lodged(accounts.post(accountAccess()))).Data;
    for (const [method, below] of [
      ['PUT', ConsentId],
      ['PATCH', ConsentId],
      ['POST', `${ConsentId}/file`],
      ['GET', `${ConsentId}/file`],
    ] as const)
      await refuses(() => accounts.call(method, below, method === 'GET' ? undefined : {}), 405);
  });

  test('say how they were answered', async () => {
    for (const [verdict, status] of [
      ['approved', 'Authorised'],
      ['denied', 'Rejected'],
    ] as const) {
      const { ConsentId } = (await lodged(accounts.post(accountAccess()))).Data;
      await answered(ConsentId, verdict);
      expect(await statusOf(accounts, ConsentId)).toBe(status);
    }
  });

  const REFERENCE_PERMISSIONS = ['ReadAccountsDetail', 'ReadTransactionsDetail', 'ReadBalances'];
  const asking = (intents: Intents, Permissions: readonly string[]) => intents.post({ Data: { Permissions }, Risk: {} });

  test('ask for the permissions of the reference and for every other of the standard, where the settings name none', async () => {
    for (const permissions of [REFERENCE_PERMISSIONS, ...PERMISSIONS.map((one) => [one]), PERMISSIONS])
      expect((await lodged(asking(accounts, permissions))).Data['Permissions']).toEqual(permissions);
    for (const permissions of [[], ['ReadEverything'], [...REFERENCE_PERMISSIONS, 'ReadEverything']])
      await refuses(() => asking(accounts, permissions), 400, 'Field.Invalid');
  });

  test('ask for no permission but those of the settings', async () => {
    const strict = await testEngine({}, { COUNTERSIGN_CONSENT_PERMISSIONS: REFERENCE_PERMISSIONS.join(',') });
    try {
      const intents = await intentsAt(strict, await referenceTpp(strict), 'aisp/account-access-consents', 'accounts');
      for (const [permissions, status] of [
        [REFERENCE_PERMISSIONS, 201],
        [['ReadBalances'], 201],
        [[...REFERENCE_PERMISSIONS, 'ReadPAN'], 400],
        [['ReadPAN'], 400],
      ] as const)
        expect([permissions, (await asking(intents, permissions)).status]).toEqual([permissions, status]);
    } finally {
      await strict.close();
    }
  });

  test('take no token of another scope', async () => expect((await accounts.post(accountAccess(), payments.own)).status).toBe(403));
});

describe('B3: payment-consents', () => {
  test.each(Object.keys(PAYMENTS))('%s are lodged, read and deleted', async (name) => {
    const intents = await intentsAt(tested, tpp, `pisp/${name}`, 'payments');
    const request = PAYMENTS[name] as { Data: object; Risk: object };
    const body = await lodged(intents.post(request, withKey()));
    expect(body).toEqual(told(request, intents));
    expect(await (await intents.call('GET', body.Data.ConsentId)).json()).toEqual(body);
    expect((await intents.call('DELETE', body.Data.ConsentId)).status).toBe(204);
    await refuses(() => intents.call('DELETE', body.Data.ConsentId));
  });

  test('of one type are none of another', async () => {
    const { ConsentId } = (await lodged(payments.post(PAYMENT, withKey()))).Data;
    for (const path of ['pisp/international-payment-consents', 'pisp/domestic-vrp-consents']) {
      const others = await intentsAt(tested, tpp, path, 'payments');
      await refuses(() => others.call('GET', ConsentId));
    }
    await refuses(() => accounts.call('GET', ConsentId));
  });

  test('keep what they say of people out of the open', async () => {
    const before = await tested.ports.store.head();
    await lodged(payments.post(PAYMENT, withKey()));
    const written = JSON.stringify((await facts(tested, before)).map(({ data }) => data));
    for (const secret of ['08080021325698', 'ACME', '165.88', 'Acacia']) expect(written).not.toContain(secret);
  });

  test.each<[string, (request: { Data: { Initiation: Record<string, unknown> } }) => object]>([
    ['without an amount', ({ Data: { Initiation } }) => ({ ...Initiation, InstructedAmount: undefined })],
    ['with an amount of two kinds', ({ Data: { Initiation } }) => ({ ...Initiation, InstructedAmount: { Amount: 1, Currency: 'GBP' } })],
    ['with a negative amount', ({ Data: { Initiation } }) => ({ ...Initiation, InstructedAmount: { Amount: '-1.00', Currency: 'GBP' } })],
    ['with a currency that is none', ({ Data: { Initiation } }) => ({ ...Initiation, InstructedAmount: { Amount: '1', Currency: 'gbp' } })],
    ['without a creditor', ({ Data: { Initiation } }) => ({ ...Initiation, CreditorAccount: undefined })],
    ['with a name too long', ({ Data: { Initiation } }) => ({ ...Initiation, InstructionIdentification: 'x'.repeat(36) })],
    ['with a text that hides its direction', ({ Data: { Initiation } }) => ({ ...Initiation, EndToEndIdentification: 'a\u202eb' })],
    ['with a member too many', ({ Data: { Initiation } }) => ({ ...Initiation, Status: 'Authorised' })],
    [
      'with half a character in what is left to the ASPSP',
      ({ Data: { Initiation } }) => ({ ...Initiation, SupplementaryData: { x: '\ud800' } }),
    ],
  ])('are refused %s', (_, change) => {
    const request = structuredClone(PAYMENT) as { Data: { Initiation: Record<string, unknown> } };
    return refuses(() => payments.post({ ...request, Data: { Initiation: change(request) } }, withKey()));
  });
});

test.each<[string, string, string]>([
  ['a number without a value', '"Initiation":{', '"Initiation":{"SupplementaryData":{"x":1e999},'],
  ['what nobody can read to the end', '"Initiation":{', `"Initiation":{"SupplementaryData":{"x":${'['.repeat(5000)}${']'.repeat(5000)}},`],
  ['half a character', '"5967"', '"\\ud800ab"'],
])('B3: payment-consents are refused with %s', (_, valid, changed) => {
  const request = JSON.stringify(PAYMENT);
  expect(request).toContain(valid);
  return refuses(() => payments.post(request.replace(valid, changed), withKey()));
});

describe('B3: the codes of refusals', () => {
  test('say what is wrong', async () => {
    await refuses(() => payments.post(PAYMENT), 400, 'Header.Missing');
    await refuses(() => payments.post(PAYMENT, withKey('x'.repeat(41))), 400, 'Header.Invalid');
    await refuses(() => payments.post({ ...PAYMENT, Data: {} }, withKey()), 400, 'Field.Invalid');
    await refuses(() => accounts.call('GET', 'unknown'), 400, 'Resource.NotFound');
    await refuses(() => accounts.call('GET', 'unknown/file'), 405, 'UnexpectedError');
    const key = withKey();
    const { ConsentId } = (await lodged(payments.post(PAYMENT, key))).Data;
    await refuses(() => payments.post({ ...PAYMENT, Risk: {} }, key), 400, 'Header.Invalid');
    await payments.call('DELETE', ConsentId);
    await refuses(() => payments.call('DELETE', ConsentId), 400, 'Resource.InvalidConsentStatus');
  });

  test('of files', async () => {
    const intents = await intentsAt(tested, tpp, 'pisp/file-payment-consents', 'payments');
    const { ConsentId } = (await lodged(intents.post(filePayment(hashOf('one')), withKey()))).Data;
    const upload = (file: string) => intents.call('POST', `${ConsentId}/file`, file, { 'content-type': 'text/plain' });
    await refuses(() => upload('two'), 400, 'Resource.ConsentMismatch');
    await refuses(() => intents.call('GET', `${ConsentId}/file`), 400, 'Resource.NotFound');
    await intents.call('DELETE', ConsentId);
    await refuses(() => upload('one'), 400, 'Resource.InvalidConsentStatus');
  });
});

describe('B3: x-idempotency-key', () => {
  test('is needed for every payment', async () => {
    for (const { name, api, idempotencyKey } of INTENT_TYPES.filter(({ consentType }) => consentType === 'payments')) {
      expect(idempotencyKey).toBe('required');
      const intents = await intentsAt(tested, tpp, `${api}/${name}`, 'payments');
      const request = PAYMENTS[name] ?? filePayment(hashOf('x'));
      await refuses(() => intents.post(request));
      await refuses(() => intents.post(request, withKey('x'.repeat(41))));
    }
  });

  test('leads the same request to the same consent', async () => {
    const key = withKey();
    const first = await lodged(payments.post(PAYMENT, key));
    const before = await tested.ports.store.head();
    expect(await lodged(payments.post(JSON.stringify(PAYMENT, null, 2), key))).toEqual(first);
    expect(await facts(tested, before)).toEqual([]);
    expect((await lodged(payments.post(PAYMENT, withKey()))).Data.ConsentId).not.toBe(first.Data.ConsentId);
  });

  test('refuses another request', async () => {
    const key = withKey();
    await lodged(payments.post(PAYMENT, key));
    await refuses(() => payments.post({ ...PAYMENT, Risk: {} }, key));
  });

  test('is the own one of each client', async () => {
    const key = withKey();
    const other = await intentsAt(tested, await referenceTpp(tested), 'pisp/domestic-payment-consents', 'payments');
    const own = await lodged(payments.post(PAYMENT, key));
    expect((await lodged(other.post({ ...PAYMENT, Risk: {} }, key))).Data.ConsentId).not.toBe(own.Data.ConsentId);
  });

  test('is free again after 24 hours', async () => {
    const key = withKey();
    const fresh = async () => intentsAt(tested, tpp, 'pisp/domestic-payment-consents', 'payments');
    const first = await lodged((await fresh()).post(PAYMENT, key));
    time.pass(86_399);
    expect((await lodged((await fresh()).post(PAYMENT, key))).Data.ConsentId).toBe(first.Data.ConsentId);
    time.pass(1);
    const second = await lodged((await fresh()).post({ ...PAYMENT, Risk: {} }, key));
    expect(second.Data.ConsentId).not.toBe(first.Data.ConsentId);
    expect((await lodged((await fresh()).post({ ...PAYMENT, Risk: {} }, key))).Data.ConsentId).toBe(second.Data.ConsentId);
    payments = await fresh();
    accounts = await intentsAt(tested, tpp, 'aisp/account-access-consents', 'accounts');
  });

  test('makes one consent of 32 calls that come together, and lets one of two requests win', async () => {
    const key = withKey();
    const before = await tested.ports.store.head();
    const all = await Promise.all(Array.from({ length: 32 }, () => lodged(payments.post(PAYMENT, key))));
    expect(new Set(all.map(({ Data }) => Data.ConsentId)).size).toBe(1);
    expect((await facts(tested, before)).map(({ type }) => type)).toEqual(['ConsentLodged']);

    const other = withKey();
    const requests = Array.from({ length: 32 }, (_, index) => (index % 2 === 0 ? PAYMENT : { ...PAYMENT, Risk: {} }));
    const replies = await Promise.all(requests.map((request) => payments.post(request, other)));
    expect(replies.map(({ status }) => status).sort()).toEqual([...Array(16).fill(201), ...Array(16).fill(400)]);
  });
});

describe('B3: an idempotency race', () => {
  test('in which all find the key free, and then the stream empty', async () => {
    const key = randomUUID();
    const consentId = systemIds.derived(`intent\n${tpp.clientId}\ndomestic-payment-consents\n${key}\n0`);
    const before = await tested.ports.store.head();
    racing.gather(`consent-${consentId}`, 8, 2);
    const requests = Array.from({ length: 8 }, (_, index) => (index % 2 === 0 ? PAYMENT : { ...PAYMENT, Risk: {} }));
    const replies = await Promise.all(requests.map((request) => payments.post(request, withKey(key))));
    expect(replies.map(({ status }) => status).sort()).toEqual([...Array(4).fill(201), ...Array(4).fill(400)]);
    const told = await Promise.all(replies.filter(({ status }) => status === 201).map((reply) => reply.json() as Promise<IntentBody>));
    expect(told.map(({ Data }) => Data.ConsentId)).toEqual(Array(4).fill(consentId));
    expect((await facts(tested, before)).map(({ type }) => type)).toEqual(['ConsentLodged']);
  });
});

describe('B3: file-payment-consents', () => {
  const file = JSON.stringify({ payments: [{ to: 'ACME', amount: '165.88' }] });
  const files = () => intentsAt(tested, tpp, 'pisp/file-payment-consents', 'payments');
  const upload = (intents: Intents, id: string, body: string) => intents.call('POST', `${id}/file`, body, { 'content-type': 'text/plain' });

  test('await their file, take it once, and give it back', async () => {
    const intents = await files();
    const request = filePayment(hashOf(file));
    const body = await lodged(intents.post(request, withKey()));
    expect(body).toEqual(told(request, intents, 'AwaitingUpload'));
    const { ConsentId } = body.Data;
    await refuses(() => intents.call('GET', `${ConsentId}/file`));
    await refuses(() => upload(intents, ConsentId, `${file} `));
    await refuses(() => upload(intents, ConsentId, ''));
    for (let times = 0; times < 2; times += 1) expect((await upload(intents, ConsentId, file)).status).toBe(200);
    expect(await statusOf(intents, ConsentId)).toBe('AwaitingAuthorisation');
    const given = await intents.call('GET', `${ConsentId}/file`);
    expect([given.status, await given.text()]).toEqual([200, file]);
  });

  const MAX_BYTES = 1024 * 1024;

  test('take a file of 1 MiB, and none beyond it', async () => {
    const intents = await files();
    for (const size of [MAX_BYTES, MAX_BYTES + 1]) {
      const large = 'x'.repeat(size);
      const { ConsentId } = (await lodged(intents.post(filePayment(hashOf(large)), withKey()))).Data;
      if (size > MAX_BYTES) await refuses(() => upload(intents, ConsentId, large), 413);
      else {
        expect((await upload(intents, ConsentId, large)).status).toBe(200);
        expect(await (await intents.call('GET', `${ConsentId}/file`)).text()).toBe(large);
      }
    }
  });

  test('are text: of one that is not UTF-8 the refusal says so', async () => {
    const intents = await files();
    const bytes = Buffer.from('Zürich', 'latin1');
    const { ConsentId } = (await lodged(intents.post(filePayment(createHash('sha256').update(bytes).digest('base64')), withKey()))).Data;
    const headers = { ...intents.own, 'content-type': 'text/plain' };
    const response = await fetch(`${tested.url}${intents.at}/${ConsentId}/file`, { method: 'POST', headers, body: bytes });
    expect(response.status).toBe(400);
    expect(((await response.json()) as { Message: string }).Message).toContain('must be UTF-8');
  });

  test('alone have such bodies', async () => {
    const intents = await files();
    const request = filePayment(hashOf(file));
    await refuses(() => intents.post({ ...request, Risk: { x: 'x'.repeat(65_536) } }, withKey()), 413);
  });

  test('cannot be asked for before', async () => {
    const intents = await files();
    const { ConsentId } = (await lodged(intents.post(filePayment(hashOf(file)), withKey()))).Data;
    const request = await tpp.requestObject({ scope: 'openid payments', openbanking_intent_id: { value: ConsentId } });
    const { status, body } = await tested.post('/oauth2/ciba', { ...(await tpp.authentication()), request });
    expect([status, body]).toMatchObject([400, { error: 'invalid_request' }]);
  });

  test('take no file once they have ended, and none of another client', async () => {
    const intents = await files();
    const { ConsentId } = (await lodged(intents.post(filePayment(hashOf(file)), withKey()))).Data;
    const other = await intentsAt(tested, await referenceTpp(tested), 'pisp/file-payment-consents', 'payments');
    await refuses(() => upload(other, ConsentId, file));
    expect((await intents.call('DELETE', ConsentId)).status).toBe(204);
    await refuses(() => upload(intents, ConsentId, file));
  });
});

const dateOf = (at: number) => new Date(at * 1000).toISOString();
const hashOf = (file: string) => createHash('sha256').update(file).digest('base64');

/** A request that each type of consent can be lodged with. */
const requestOf = (name: string): object => {
  switch (name) {
    case 'account-access-consents':
      return accountAccess();
    case 'file-payment-consents':
      return filePayment(hashOf('a file'));
    case 'domestic-vrp-consents':
      return vrp();
    case 'funds-confirmation-consents':
      return fundsConfirmation();
    default:
      return PAYMENTS[name] ?? {};
  }
};

describe.each(INTENT_TYPES.map((type) => [type.name, type] as const))('B3: each of the %s', (name, { api, scope, uploads }) => {
  const lodgedBy = async (by: SigningTpp) => {
    const intents = await intentsAt(tested, by, `${api}/${name}`, scope);
    return { intents, id: (await lodged(intents.post(requestOf(name), withKey()))).Data.ConsentId };
  };

  test('knows no PUT and no PATCH, and says what it knows', async () => {
    const { intents, id } = await lodgedBy(tpp);
    for (const method of ['PUT', 'PATCH']) {
      const response = await refuses(() => intents.call(method, id, requestOf(name)), 405);
      expect(response.headers.get('allow')?.split(', ').toSorted()).toEqual(['DELETE', 'GET', 'HEAD']);
    }
  });

  test('is told of another client like one that is unknown, and stays as it is', async () => {
    const own = await lodgedBy(tpp);
    const foreign = await lodgedBy(await referenceTpp(tested));
    const calls: [method: string, below: string, body?: string][] = [
      ['GET', ''],
      ['DELETE', ''],
    ];
    if (uploads) calls.push(['GET', '/file'], ['POST', '/file', 'a file']);
    for (const [method, below, body] of calls) {
      const call = (id: string) => own.intents.call(method, id + below, body, { 'content-type': 'text/plain' });
      await refuses(() => call(foreign.id), 400, 'Resource.NotFound');
      expect(await (await call(foreign.id)).json()).toEqual(await (await call('unknown')).json());
    }
    expect(await statusOf(foreign.intents, foreign.id)).toMatch(/^Awaiting/);
  });
});

describe('B3: the others', () => {
  test.each([
    ['cbpii/funds-confirmation-consents', 'fundsconfirmations', fundsConfirmation()],
    ['pisp/domestic-vrp-consents', 'payments', vrp()],
  ] as const)('%s follow the same pattern', async (path, scope, request) => {
    const intents = await intentsAt(tested, tpp, path, scope);
    const body = await lodged(intents.post(request));
    expect(body).toEqual(told(request, intents));
    const { ConsentId } = body.Data;
    expect(await (await intents.call('GET', ConsentId)).json()).toEqual(body);
    for (const [method, below] of [
      ['PUT', ConsentId],
      ['PATCH', ConsentId],
      ['POST', `${ConsentId}/file`],
    ] as const)
      await refuses(() => intents.call(method, below, {}), 405);
    expect((await intents.call('DELETE', ConsentId)).status).toBe(204);
    await refuses(() => intents.call('DELETE', ConsentId));
    await refuses(() => intents.call('GET', 'unknown'));
  });

  test('VRP take an idempotency key', async () => {
    const intents = await intentsAt(tested, tpp, 'pisp/domestic-vrp-consents', 'payments');
    const [key, request] = [withKey(), vrp()];
    expect((await lodged(intents.post(request, key))).Data.ConsentId).toBe((await lodged(intents.post(request, key))).Data.ConsentId);
  });

  test('end at their own end, and not in the past', async () => {
    const intents = await intentsAt(tested, tpp, 'cbpii/funds-confirmation-consents', 'fundsconfirmations');
    const ending = (at: number) => ({ Data: { ...fundsConfirmation().Data, ExpirationDateTime: dateOf(at) } });
    await refuses(() => intents.post(ending(time.clock())), 400, 'Field.InvalidDate');
    const { ConsentId } = (await lodged(intents.post(ending(time.clock() + 60)))).Data;
    time.pass(59);
    expect(await statusOf(intents, ConsentId)).toBe('AwaitingAuthorisation');
    time.pass(1);
    expect(await statusOf(intents, ConsentId)).toBe('Expired');
    await refuses(() => intents.call('DELETE', ConsentId), 400, 'Resource.InvalidConsentStatus');
  });

  test('lead a key to a consent that has ended', async () => {
    const intents = await intentsAt(tested, tpp, 'pisp/domestic-vrp-consents', 'payments');
    const { Data, Risk } = vrp();
    const ControlParameters = { ...Data.ControlParameters, ValidToDateTime: dateOf(time.clock() + 60) };
    const [key, request] = [withKey(), { Data: { ...Data, ControlParameters }, Risk }];
    const { ConsentId } = (await lodged(intents.post(request, key))).Data;
    time.pass(60);
    expect((await lodged(intents.post(request, key))).Data).toMatchObject({ ConsentId, Status: 'Expired' });
    await refuses(() => intents.post(request, withKey()), 400, 'Field.InvalidDate');
  });
});
