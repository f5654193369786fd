import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { standingClock } from '../support/clock.ts';
import { newerRegistrationOf, type Phone, post } from './support/phone.ts';
import { answerOf, ME, type Stage, startStage } from './support/stage.ts';

const DEVICES = `${ME}/push/devices`;

let stage: Stage;
let phone: Phone;
beforeAll(async () => {
  stage = await startStage({ COUNTERSIGN_LIMITS_DEVICES_PER_PSU: '1000' });
});
beforeEach(async () => {
  phone = await stage.newerPhone();
});
afterAll(() => stage.close());

const uuid = expect.stringMatching(/^[0-9a-f-]{36}$/);
const refusal = (error: string) => [400, { error, error_description: expect.any(String) }];
const asAlice = (method: string, path: string) => stage.call(method, path, stage.as('alice'));
const pushed = async (parameters: Record<string, string> = {}) => {
  const { authReqId, requestId } = await stage.ask(parameters);
  return { authReqId, requestId, push: await stage.push(phone.pushId) };
};

describe('C5: discovery and devices', () => {
  test.each(['', '/t/carbon.super'])('C5: discovery data (%s)', async (tenant) =>
    expect(await answerOf(asAlice('GET', `${tenant}${ME}/push/discovery-data`))).toEqual([
      200,
      {
        deviceId: uuid,
        username: 'alice',
        host: stage.tested.url,
        tenantDomain: 'carbon.super',
        organizationId: 'carbon.super',
        organizationName: 'carbon.super',
        challenge: uuid,
      },
    ]),
  );

  test('C5: POST registers by a signature over challenge and deviceToken', async () => {
    const data = await stage.newerDiscovery();
    const { body } = newerRegistrationOf(data, 'token');
    expect((await post(stage.tested.url + DEVICES, { ...body, deviceToken: 'another' })).status).toBe(400);
    expect((await post(stage.tested.url + DEVICES, { ...body, provider: { name: 'Carrier pigeon' } })).status).toBe(400);
    const response = await post(stage.tested.url + DEVICES, body);
    expect([response.status, response.headers.get('location')]).toEqual([201, `${stage.tested.url}${DEVICES}/${data.deviceId}`]);
  });

  test('C5: GET lists and shows, DELETE removes, and another PSU sees nothing of it', async () => {
    const seen = { deviceId: phone.deviceId, name: 'My phone', model: 'iPhone' };
    expect(await answerOf(asAlice('GET', DEVICES))).toMatchObject([200, expect.arrayContaining([expect.objectContaining(seen)])]);
    const one = `/t/carbon.super${DEVICES}/${phone.deviceId}`;
    expect(await answerOf(asAlice('GET', one))).toMatchObject([200, { ...seen, deviceToken: phone.pushId }]);
    expect((await stage.call('GET', one, stage.as('bob'))).status).toBe(404);
    expect((await stage.call('DELETE', one, stage.as('bob'))).status).toBe(400);
    expect((await asAlice('DELETE', one)).status).toBe(204);
    expect((await asAlice('GET', one)).status).toBe(404);
  });

  test("C5: POST remove by the device's own token", async () => {
    const path = `${stage.tested.url}${DEVICES}/${phone.deviceId}/remove`;
    expect((await post(path, { token: phone.removal({ claims: { act: 'KEEP' } }) })).status).toBe(401);
    expect((await post(path, { token: phone.removal() })).status).toBe(204);
  });
});

describe('C5: the push', () => {
  test('C5: the names of its data, and what is asked in metadata', async () => {
    const { push } = await pushed({ binding_message: '42' });
    expect(push).toEqual({
      relativePath: '/push-auth/authenticate',
      username: 'alice',
      organizationId: 'carbon.super',
      organizationName: 'carbon.super',
      tenantDomain: 'carbon.super',
      userStoreDomain: 'PRIMARY',
      applicationName: 'Sample TPP',
      notificationScenario: 'AUTHENTICATION',
      pushId: uuid,
      challenge: uuid,
      numberChallenge: '42',
      ipAddress: '',
      deviceOS: '',
      browser: '',
      deviceId: phone.deviceId,
      metadata: expect.any(String),
    });
    expect(phone.shows(push)).toMatchObject({ application: 'Sample TPP', binding_message: '42', accounts: [{}, {}] });
  });
});

describe('C5: authenticate', () => {
  test('C5: 200 for APPROVED, and the TPP has its tokens', async () => {
    const { authReqId, push } = await pushed();
    expect(await answerOf(phone.approve(push))).toEqual([200, '']);
    expect((await stage.poll(authReqId)).status).toBe(200);
  });

  test('C5: 200 for DENIED, and the TPP is told', async () => {
    const { authReqId, push } = await pushed();
    expect(await answerOf(phone.deny(push))).toEqual([200, '']);
    expect((await stage.poll(authReqId)).body).toMatchObject({ error: 'access_denied' });
  });

  test('C5: the number of the binding message must come back with an approval', async () => {
    const { push } = await pushed({ binding_message: '42' });
    for (const numberChallenge of ['24', undefined])
      expect(await answerOf(phone.approve(push, undefined, { claims: { numberChallenge } }))).toEqual(refusal('PBA-15004'));
    expect((await phone.approve(push, undefined, { claims: { numberChallenge: 42 } })).status).toBe(200);
  });

  test('C5: wrong numbers are recorded, and after three of them the phone can only deny', async () => {
    const { push, requestId } = await pushed({ binding_message: '42' });
    const says = (numberChallenge: string) => answerOf(phone.approve(push, undefined, { claims: { numberChallenge } }));
    expect(await Promise.all(['1', '2', '3', '4', '5'].map(says))).toEqual(Array(5).fill(refusal('PBA-15004')));
    const refused = (await stage.tested.log()).filter(({ type, stream }) => type === 'AnswerRefused' && stream.endsWith(requestId));
    expect(refused.map(({ data }) => JSON.parse(data).reason)).toEqual(['number', 'number', 'number']);
    expect(await says('42')).toEqual(refusal('PBA-15004'));
    expect((await phone.deny(push)).status).toBe(200);
  });

  test('C5: accounts that the phone chooses in mta, as in the older dialect', async () => {
    const { push } = await pushed();
    const mta = (approvedAccountIds: string[]) => ({ claims: { mta: JSON.stringify({ approvedAccountIds }) } });
    expect((await phone.approve(push, undefined, mta(['psu-bob-1']))).status).toBe(400);
    expect((await phone.approve(push, undefined, mta(['psu-alice-1']))).status).toBe(200);
    expect((await phone.approve(push)).status).toBe(409);
  });

  test('C5: an app may name the request by pushId', async () => {
    const { push } = await pushed();
    expect((await phone.deny(push, { claims: { pushAuthId: undefined, pushId: push['pushId'] } })).status).toBe(200);
  });

  test('C5: PBA-15011 once the request has expired, recorded, before a wrong number is said', async () => {
    const time = standingClock();
    const standing = await startStage({}, { clock: time.clock });
    const own = await standing.newerPhone();
    const { requestId } = await standing.ask({ requested_expiry: '10', binding_message: '42' });
    const push = await standing.push(own.pushId);
    time.pass(11);
    expect(await answerOf(own.approve(push, undefined, { claims: { numberChallenge: '24' } }))).toEqual(refusal('PBA-15011'));
    const refused = (await standing.tested.log()).filter(({ type, stream }) => type === 'AnswerRefused' && stream.endsWith(requestId));
    expect(refused.map(({ data }) => JSON.parse(data).reason)).toEqual(['ended']);
    await standing.close();
  });

  test('C5: errors', async () => {
    const { push } = await pushed();
    const bobs = await stage.newerPhone('bob');
    const older = await stage.phone();
    const send = (body: unknown) => answerOf(post(phone.answersTo, body));
    expect(await send({ authResponse: phone.jwt({}) })).toEqual(refusal('PBA-15007'));
    const unread = Buffer.from(JSON.stringify({ alg: 'RS256', deviceId: phone.deviceId })).toString('base64url');
    expect(await send({ authResponse: `${unread}.x.x` })).toEqual(refusal('PBA-15002'));
    const unknown = { header: { deviceId: 'unknown' } };
    expect(await answerOf(phone.approve(push, undefined, unknown))).toEqual(refusal('PBA-15003'));
    // A phone of one dialect has no key in the other.
    const inOther = phone.jwt({ pushAuthId: push['pushId'] }, { header: { deviceId: older.deviceId } });
    expect(await send({ authResponse: inOther })).toEqual(refusal('PBA-15003'));
    expect(await answerOf(phone.approve(push, undefined, { claims: { exp: 1 } }))).toEqual(refusal('PBA-15004'));
    expect(await answerOf(phone.approve(push, undefined, { claims: { aud: 'https://another.example/' } }))).toEqual(refusal('PBA-15004'));
    expect(await answerOf(phone.approve(push, undefined, { claims: { challenge: undefined } }))).toEqual(refusal('PBA-15005'));
    expect(await answerOf(phone.approve({ ...push, challenge: 'other' }))).toEqual(refusal('PBA-15004'));
    expect(await answerOf(phone.approve(push, undefined, { claims: { response: 'MAYBE' } }))).toEqual(refusal('PBA-15005'));
    expect(await answerOf(bobs.approve(push))).toEqual(refusal('PBA-15011'));
    expect(await answerOf(phone.approve({ ...push, pushId: 'unknown' }))).toEqual(refusal('PBA-15011'));
  });

  test('C5: the same answer again gets the first outcome, and nothing is recorded; another one is 409', async () => {
    const { authReqId, requestId, push } = await pushed();
    const answers = async () => (await stage.tested.log()).filter(({ stream }) => stream === `cibaRequest-${requestId}`);
    const all = await Promise.all([1, 2, 3].map(() => answerOf(phone.approve(push))));
    expect(all).toEqual([
      [200, ''],
      [200, ''],
      [200, ''],
    ]);
    const before = await answers();
    expect(await answerOf(phone.approve(push))).toEqual([200, '']);
    const conflict = [409, { error: 'Conflict', error_description: expect.any(String) }];
    expect(await answerOf(phone.deny(push))).toEqual(conflict);
    expect(await answers()).toEqual(before);
    expect(before.filter(({ type }) => type === 'CibaRequestApproved')).toHaveLength(1);
    expect((await stage.poll(authReqId)).status).toBe(200);
  });

  test.each(['challenge', 'device'] as const)('C5: another %s is refused and recorded', async (reason) => {
    const one = await stage.ask();
    const push = await stage.push(phone.pushId, 1);
    await stage.ask();
    const other = await stage.push(phone.pushId, 2);
    const foreign = await stage.newerPhone('bob');
    const answered = reason === 'challenge' ? phone.approve({ ...push, challenge: other['challenge'] ?? '' }) : foreign.approve(push);
    expect(await answerOf(answered)).toEqual(refusal(reason === 'challenge' ? 'PBA-15004' : 'PBA-15011'));
    const log = await stage.tested.log();
    const refused = log.filter(({ type, stream }) => type === 'AnswerRefused' && stream === `cibaRequest-${one.requestId}`);
    const { deviceId } = reason === 'challenge' ? phone : foreign;
    expect(refused.map(({ data }) => JSON.parse(data))).toEqual([{ deviceId, reason, at: expect.any(Number) }]);
    expect((await phone.approve(push)).status).toBe(200);
  });
});

describe('C5: a phone that names itself in the header of the call', () => {
  const send = (body: string, headers: Record<string, string> = { deviceId: phone.deviceId }) =>
    answerOf(fetch(phone.answersTo, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body }));

  test('C5: answers with a token that does not', async () => {
    const { push } = await pushed();
    const claims = { pushAuthId: push['pushId'], challenge: push['challenge'], response: 'APPROVED' };
    const authResponse = phone.jwt(claims, { header: { deviceId: undefined } });
    expect(await send(JSON.stringify({ authResponse }))).toEqual([200, '']);
  });

  test('C5: is told PBA-15006 without a token', async () => {
    for (const body of ['{}', '{"authResponse":""}', '{"authResponse":1}', '[]']) expect(await send(body)).toEqual(refusal('PBA-15006'));
    // Where nobody says of which dialect the phone is, it is the older one.
    expect(await send('{}', {})).toEqual(refusal('PBA-15001'));
    expect(await send('{"authResponse":"x"}', {})).toEqual(refusal('PBA-15003'));
  });

  test('C5: is told PBA-15009 for a body that cannot be read', async () => {
    for (const body of ['', '{', 'authResponse=x']) expect(await send(body)).toEqual(refusal('PBA-15009'));
    const form = { 'content-type': 'application/x-www-form-urlencoded', deviceId: phone.deviceId };
    expect(await send('authResponse=x', form)).toEqual(refusal('PBA-15009'));
    expect(await send('{', {})).toEqual(refusal('PBA-15001'));
  });

  test('C5: is not taken for a phone of the older dialect, which its token is of', async () => {
    const { push } = await pushed();
    const older = await stage.phone();
    const authResponse = older.jwt({ sid: push['pushId'], chg: 'x', res: 'DENIED' });
    expect(await send(JSON.stringify({ authResponse }))).toEqual(refusal('Bad Request'));
  });
});

describe('C5: a token that names its tenant', () => {
  test('C5: is taken where it is ours, and PBA-15008 where there is no such tenant', async () => {
    const { push } = await pushed();
    for (const tenantDomain of ['another.example', '', 1])
      expect(await answerOf(phone.approve(push, undefined, { claims: { tenantDomain } }))).toEqual(refusal('PBA-15008'));
    expect((await phone.approve(push, undefined, { claims: { tenantDomain: 'carbon.super' } })).status).toBe(200);
  });
});

test('C5: a fault of our own is PBA-15010, and the operator is told', async () => {
  const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
  let broken = false;
  const open: typeof sealer.open = (sealed) => {
    if (broken) throw new Error('the keys are out of reach');
    return sealer.open(sealed);
  };
  const failing = await startStage({}, { sealer: { ...sealer, open } });
  const [newer, older] = [await failing.newerPhone(), await failing.phone()];
  await failing.ask();
  const [toNewer, toOlder] = [await failing.push(newer.pushId), await failing.push(older.pushId)];
  broken = true;
  const fault = (error: string) => [500, { error, error_description: expect.any(String) }];
  expect(await answerOf(newer.approve(toNewer))).toEqual(fault('PBA-15010'));
  expect(await answerOf(older.approve(toOlder, []))).toEqual(fault('server_error'));
  expect(failing.tested.faults.map((error) => ((error as Error).cause as Error).message)).toEqual(
    Array(2).fill('the keys are out of reach'),
  );
  await expect(failing.close()).rejects.toThrow('the engine had faults');
});
