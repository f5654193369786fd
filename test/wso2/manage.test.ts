import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { filter } from 'rxjs';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { client, disable } from '../../src/domain/client/decider.ts';
import { testDevice } from '../support/device.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { ask, secretTpp } from '../support/tpp.ts';
import { vrp } from './support/intents.ts';
import { asClient, call, officer } from './support/officer.ts';

const MANAGE = '/api/openbanking/consent/manage';
const ACCOUNTS = `${MANAGE}/account-access-consents`;

let tested: TestEngine;
let gateway: Awaited<ReturnType<typeof officer>>;
let headers: Record<string, string>;
let tpp: { client_id: string; client_secret: string };
let clientId: string;
beforeAll(async () => {
  tested = await testEngine();
  gateway = await officer(tested, 'consents:manage');
  tpp = await secretTpp(tested);
  clientId = tpp.client_id;
  headers = { ...gateway.basic, 'x-wso2-client-id': clientId };
});
afterAll(() => tested.close());

const asking = (...Permissions: string[]) => JSON.stringify({ Data: { Permissions }, Risk: {} });
const send = (method: string, path: string, body?: string, more: Record<string, string> = {}) =>
  call(tested, method, path, { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }), ...more }, body);
const lodged = async (more: Record<string, string> = {}): Promise<string> => {
  const { status, body } = await send('POST', ACCOUNTS, asking('ReadBalances'), more);
  expect(status).toBe(201);
  return String((body['Data'] as Record<string, unknown>)['ConsentId']);
};

test('B3: a gateway lodges, reads and ends a consent for a client, who finds it as its own', async () => {
  const consentId = await lodged();
  const { status, body } = await send('GET', `${ACCOUNTS}/${consentId}`);
  expect([status, body]).toMatchObject([
    200,
    { Data: { ConsentId: consentId, Status: 'AwaitingAuthorisation', Permissions: ['ReadBalances'] } },
  ]);
  expect(await send('DELETE', `${ACCOUNTS}/${consentId}`)).toMatchObject({ status: 204 });
  expect(await send('DELETE', `${ACCOUNTS}/${consentId}`)).toMatchObject({ status: 400 });
  const all = await officer(tested, 'consents:read_all');
  const { body: audit } = await call(
    tested,
    'GET',
    `/api/openbanking/consent/admin/search/consent-status-audit?consentIDs=${consentId}`,
    all.bearer,
  );
  expect(audit).toMatchObject({ data: [{ currentStatus: 'revoked', actionBy: gateway.clientId }, { actionBy: gateway.clientId }] });
});

test('B3: a consent is amended, and the amendment is told', async () => {
  const consentId = await lodged();
  expect(await send('PUT', `${ACCOUNTS}/${consentId}`, asking('ReadPAN'))).toMatchObject({
    status: 200,
    body: { Data: { Permissions: ['ReadPAN'] } },
  });
  const all = await officer(tested, 'consents:read_all');
  const path = `/api/openbanking/consent/admin/consent-amendment-history?consentId=${consentId}`;
  expect((await call(tested, 'GET', path, all.bearer)).body).toMatchObject({
    consentAmendmentHistory: [
      { amendedReason: 'ConsentAmendmentFlow', consentData: { receipt: { Data: { Permissions: ['ReadBalances'] } } } },
    ],
  });
  await send('DELETE', `${ACCOUNTS}/${consentId}`);
  expect(await send('PUT', `${ACCOUNTS}/${consentId}`, asking('ReadPAN'))).toMatchObject({ status: 400 });
});

test('B3: the users who must all agree are named by the bank', async () => {
  const consentId = await lodged({ 'x-consent-authorisers': 'alice, bob' });
  const all = await officer(tested, 'consents:read_all');
  const { body } = await call(tested, 'GET', `/api/openbanking/consent/admin/search?consentIDs=${consentId}`, all.bearer);
  expect(body).toMatchObject({ data: [{ authorizationResources: [{ userId: 'psu-alice' }, { userId: 'psu-bob' }] }] });
  expect(await send('POST', ACCOUNTS, asking('ReadPAN'), { 'x-consent-authorisers': 'alice,nobody' })).toMatchObject({ status: 400 });
});

test('B3: users may be named with the tenant behind them', async () => {
  const consentId = await lodged({ 'x-consent-authorisers': 'alice@carbon.super,bob' });
  const all = await officer(tested, 'consents:read_all');
  for (const [user, found] of [
    ['psu-alice', [{ consentId }]],
    ['psu-alice@carbon.super', [{ consentId }]],
    ['psu-alice@bank.example', []],
  ] as const) {
    const path = `/api/openbanking/consent/admin/search?consentIDs=${consentId}&userIDs=${user}`;
    expect((await call(tested, 'GET', path, all.bearer)).body).toMatchObject({ data: found });
  }
  expect(await send('POST', ACCOUNTS, asking('ReadPAN'), { 'x-consent-authorisers': 'alice@bank.example' })).toMatchObject({ status: 400 });
});

test('B3: a key belongs to the users as well', async () => {
  const { Data, Risk } = vrp();
  const post = (more: Record<string, string>) =>
    send('POST', `${MANAGE}/domestic-vrp-consents`, JSON.stringify({ Data, Risk }), { 'x-idempotency-key': 'of users', ...more });
  const { body } = await post({ 'x-consent-authorisers': 'alice,bob' });
  expect(await post({ 'x-consent-authorisers': 'alice,bob' })).toMatchObject({ status: 201, body });
  for (const users of ['', 'alice', 'alice,bob,'])
    expect((await post({ 'x-consent-authorisers': users })).status).toBe(users === 'alice,bob,' ? 201 : 400);
});

test('B3: a client that was disabled just now exists no longer', async () => {
  const store = inMemoryEventStore();
  let held = false;
  const slow = await testEngine({ store: { ...store, follow: (after) => store.follow(after).pipe(filter(() => !held)) } });
  try {
    const { client_id: ended } = await secretTpp(slow);
    const { basic } = await officer(slow, 'consents:manage');
    // Its end stands in the log, and in no read model.
    held = true;
    await slow.engine.decide(client, ended, disable(slow.ports.clock()), asClient(ended, ended));
    const reply = await call(slow, 'GET', `${ACCOUNTS}/unknown`, { ...basic, 'x-wso2-client-id': ended });
    expect(reply).toMatchObject({ status: 400, body: { Errors: [{ ErrorCode: 'UK.OBIE.Header.Invalid' }] } });
  } finally {
    await slow.close();
  }
});

test('B3: the terms of a consent that has ended, or that end in the past, are not taken', async () => {
  const past = JSON.stringify({ Data: { Permissions: ['ReadPAN'], ExpirationDateTime: '2020-01-01T00:00:00Z' }, Risk: {} });
  const refused = { status: 400, body: { Errors: [{ ErrorCode: 'UK.OBIE.Field.InvalidDate' }] } };
  expect(await send('PUT', `${ACCOUNTS}/${await lodged()}`, past)).toMatchObject(refused);
  expect(await send('POST', ACCOUNTS, past)).toMatchObject(refused);
});

test('B3: what is of another client does not exist, nor does a client that is unknown', async () => {
  const consentId = await lodged();
  const { client_id: other } = await secretTpp(tested);
  for (const id of [other, 'unknown', ''])
    for (const [method, body] of [['GET'], ['DELETE'], ['PUT', asking('ReadPAN')]] as const)
      expect(await send(method, `${ACCOUNTS}/${consentId}`, body, { 'x-wso2-client-id': id })).toMatchObject({ status: 400 });
});

test('B3: a file goes up and comes down', async () => {
  const file = '<Document/>';
  const FileHash = Buffer.from(tested.ports.ids.hash(file), 'base64url').toString('base64');
  const Initiation = { FileType: 'UK.OBIE.pain.001.001.08', FileHash };
  const body = JSON.stringify({ Data: { Initiation } });
  const reply = await send('POST', `${MANAGE}/file-payment-consents`, body, { 'x-idempotency-key': 'a key' });
  expect(reply).toMatchObject({ status: 201, body: { Data: { Status: 'AwaitingUpload' } } });
  const path = `${MANAGE}/fileUpload/file-payment-consents/${(reply.body['Data'] as Record<string, string>)['ConsentId']}/file`;
  expect(await send('POST', path, file, { 'content-type': 'text/xml' })).toMatchObject({ status: 200 });
  const down = await fetch(tested.url + path, { headers });
  expect([down.status, await down.text()]).toEqual([200, file]);
});

test('B3: a consent that is amended awaits the file of its new terms', async () => {
  const asking = (file: string) => {
    const FileHash = Buffer.from(tested.ports.ids.hash(file), 'base64url').toString('base64');
    return JSON.stringify({ Data: { Initiation: { FileType: 'UK.OBIE.pain.001.001.08', FileHash } } });
  };
  const path = `${MANAGE}/file-payment-consents`;
  const { body } = await send('POST', path, asking('<One/>'), { 'x-idempotency-key': 'another key' });
  const consentId = (body['Data'] as Record<string, string>)['ConsentId'];
  const filePath = `${MANAGE}/fileUpload/file-payment-consents/${consentId}/file`;
  const upload = (file: string) => send('POST', filePath, file, { 'content-type': 'text/xml' });
  expect(await upload('<One/>')).toMatchObject({ status: 200 });
  expect(await send('PUT', `${path}/${consentId}`, asking('<Other/>'))).toMatchObject({
    status: 200,
    body: { Data: { Status: 'AwaitingUpload' } },
  });
  expect(await send('GET', filePath)).toMatchObject({ status: 400 });
  expect(await upload('<One/>')).toMatchObject({ status: 400 });
  expect(await upload('<Other/>')).toMatchObject({ status: 200 });
  const down = await fetch(tested.url + filePath, { headers });
  expect([await down.text(), await send('GET', `${path}/${consentId}`)]).toMatchObject([
    '<Other/>',
    { body: { Data: { Status: 'AwaitingAuthorisation' } } },
  ]);
});

test('B3: the terms that a consent has already change nothing', async () => {
  const consentId = await lodged();
  const { requestId } = await ask(tested, tpp, { openbanking_intent_id: consentId });
  await (await testDevice(tested, 'alice')).decide(requestId, 'approved');
  const status = async (terms: string) => {
    const { body } = await send('PUT', `${ACCOUNTS}/${consentId}`, terms);
    return (body['Data'] as Record<string, string>)['Status'];
  };
  expect(await status(asking('ReadBalances'))).toBe('Authorised');
  expect(await status(asking('ReadPAN'))).toBe('AwaitingAuthorisation');
});

test('B3: consents of other types have no file', async () => {
  const path = `${MANAGE}/fileUpload/account-access-consents/${await lodged()}/file`;
  for (const [method, body] of [['POST', 'x'], ['GET']] as const) expect(await send(method, path, body)).toMatchObject({ status: 405 });
  expect(await send('POST', path, 'x', { authorization: '' })).toMatchObject({ status: 401 });
});

test('B3: only for gateways that are registered for it', async () => {
  const other = await officer(tested, 'consents:read_all');
  expect(await send('POST', ACCOUNTS, asking('ReadPAN'), other.basic)).toMatchObject({ status: 403 });
  expect(await send('POST', ACCOUNTS, asking('ReadPAN'), { authorization: '' })).toMatchObject({ status: 401 });
  expect(await send('POST', ACCOUNTS, asking('ReadPAN'), gateway.bearer)).toMatchObject({ status: 201 });
});
