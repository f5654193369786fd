import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { standingClock } from '../support/clock.ts';
import { facts } from '../support/log.ts';
import { type Phone, type PushData, post } from './support/phone.ts';
import { answerOf, type Stage, startStage } from './support/stage.ts';

let stage: Stage;
let phone: Phone;
let bobs: Phone;
let pushes = 0;
beforeAll(async () => {
  stage = await startStage({ COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000' });
  phone = await stage.phone();
  bobs = await stage.phone('bob');
});
afterAll(() => stage.close());

/** Another request, and the push for it. */
const asked = async () => {
  const { authReqId, requestId } = await stage.ask();
  pushes += 1;
  return { authReqId, requestId, push: await stage.push(phone.pushId, pushes) };
};
const refusalsOf = async (requestId: string) =>
  (await stage.tested.log())
    .filter(({ type, stream }) => type === 'AnswerRefused' && stream.endsWith(requestId))
    .map(({ data }) => JSON.parse(data).reason);
const refusal = (error: string) => [400, { error, error_description: expect.any(String) }];
const status = async (push: PushData, tenant = '') =>
  answerOf(fetch(`${stage.tested.url}${tenant}/push-auth/check-status?sessionDataKey=${push['sessionDataKey']}`));

describe('C4: authenticate', () => {
  test('C4: 202 and no body for an approval, and the TPP has its tokens', async () => {
    const { authReqId, push } = await asked();
    expect(await answerOf(phone.approve(push, ['psu-alice-2']))).toEqual([202, '']);
    expect(await stage.poll(authReqId)).toMatchObject({ status: 200, body: { access_token: expect.any(String) } });
  });

  test('C4: 202 and no body for a denial, and the TPP is told', async () => {
    const { authReqId, push } = await asked();
    expect(await answerOf(phone.deny(push))).toEqual([202, '']);
    expect(await stage.poll(authReqId)).toMatchObject({ status: 400, body: { error: 'access_denied' } });
  });

  test.each([
    '/push-auth/authenticate',
    '/t/carbon.super/push-auth/authenticate',
    '/t/carbon.super/api/openbanking/ciba/push-auth/authenticate',
  ])('C4: at %s too', async (path) => {
    const { push } = await asked();
    const claims = { sid: push['sessionDataKey'], chg: push['challenge'], res: 'DENIED' };
    expect((await post(stage.tested.url + path, { authResponse: phone.jwt(claims) })).status).toBe(202);
  });

  test('C4: the same answer again is 202, another one 409', async () => {
    const { push, requestId } = await asked();
    expect((await phone.approve(push)).status).toBe(202);
    expect(await answerOf(phone.approve(push))).toEqual([202, '']);
    expect(await answerOf(phone.deny(push))).toEqual([409, { error: 'Conflict', error_description: expect.any(String) }]);
    expect((await phone.approve(push, ['psu-alice-1'])).status).toBe(409);
    expect(await refusalsOf(requestId)).toEqual([]);
  });

  test('C4: of many answers at once one wins', async () => {
    const { push, authReqId } = await asked();
    const all = await Promise.all(Array.from({ length: 8 }, (_, n) => (n % 2 === 0 ? phone.approve(push) : phone.deny(push))));
    const statuses = all.map((response) => response.status);
    expect([statuses.filter((one) => one === 202).length, statuses.filter((one) => one === 409).length]).toEqual([4, 4]);
    expect([200, 400]).toContain((await stage.poll(authReqId)).status);
    const answers = (await stage.tested.log()).filter(({ type }) => /^CibaRequest(Approved|Denied)$/.test(type));
    expect(new Set(answers.map(({ stream }) => stream)).size).toBe(answers.length);
  });

  test('C4: of several devices the first answer wins', async () => {
    const several = await startStage();
    const [one, other] = [await several.phone(), await several.phone()];
    await several.ask();
    const [toOne, toOther] = [await several.push(one.pushId), await several.push(other.pushId)];
    expect([(await one.approve(toOne)).status, (await other.deny(toOther)).status]).toEqual([202, 409]);
    await several.close();
  });
});

describe('C4: a phone', () => {
  test.each([290, -290])('C4: may have a clock that is %i s off', async (off) => {
    const { push } = await asked();
    const at = Math.floor(Date.now() / 1000) + off;
    expect((await phone.approve(push, undefined, { claims: { nbf: at, iat: at, exp: at + 60 } })).status).toBe(202);
  });

  test.each(['', null, '{'])('C4: denies whatever stands in mta (%j)', async (mta) => {
    const { push } = await asked();
    expect((await phone.deny(push, { claims: { mta } })).status).toBe(202);
  });

  test.each(['', null, undefined])('C4: chooses no account where mta is %j', async (mta) => {
    const { push } = await asked();
    expect(await answerOf(phone.approve(push, undefined, { claims: { mta } }))).toEqual(refusal('PBA-15006'));
  });

  test('C4: gives the answer that another phone of its user has given: 202, and nothing is recorded', async () => {
    const several = await startStage();
    const [one, other] = [await several.phone(), await several.phone()];
    const { requestId } = await several.ask();
    const [toOne, toOther] = [await several.push(one.pushId), await several.push(other.pushId)];
    expect((await one.approve(toOne, ['psu-alice-1'])).status).toBe(202);
    const before = await facts(several.tested);
    expect(await answerOf(other.approve(toOther, ['psu-alice-1']))).toEqual([202, '']);
    expect((await other.approve(toOther, ['psu-alice-2'])).status).toBe(409);
    expect((await other.deny(toOther)).status).toBe(409);
    expect(await facts(several.tested)).toEqual(before);
    expect(requestId).not.toBe('');
    await several.close();
  });
});

describe('C4: errors', () => {
  const send = (body: unknown) => answerOf(post(phone.answersTo, body));

  test('C4: 400 PBA-15001 without a token', async () => {
    for (const body of [{}, { authResponse: '' }, { authResponse: 1 }, []]) expect(await send(body)).toEqual(refusal('PBA-15001'));
  });

  test('C4: 400 PBA-15002 without sid', async () =>
    expect(await send({ authResponse: phone.jwt({ chg: 'x', res: 'DENIED' }) })).toEqual(refusal('PBA-15002')));

  test('C4: 400 PBA-15003 for what is no JWT', async () => {
    for (const authResponse of ['x', 'a.b.c', 'e30.e30.']) expect(await send({ authResponse })).toEqual(refusal('PBA-15003'));
  });

  test('C4: 400 PBA-15004 for a device without a key', async () => {
    const { push } = await asked();
    for (const header of [{ did: 'unknown' }, { did: undefined }])
      expect(await answerOf(phone.approve(push, undefined, { header }))).toEqual(refusal('PBA-15004'));
    const removed = await stage.phone();
    await post(`${stage.tested.url}/api/users/v1/me/push-auth/devices/remove`, { token: removed.removal() });
    expect(await answerOf(removed.approve(push))).toEqual(refusal('PBA-15004'));
  });

  test('C4: 400 PBA-15005 for a signature or a time that is not valid', async () => {
    const { push } = await asked();
    const now = Math.floor(Date.now() / 1000);
    for (const change of [
      { header: { alg: 'PS256' } },
      { header: { did: bobs.deviceId } },
      { claims: { exp: now - 301 } },
      { claims: { iat: now + 330 } },
      { claims: { aud: 'https://another.example/' } },
      { claims: { iss: 'somebody' } },
      { claims: { exp: undefined } },
      { claims: { nbf: now + 3600 } },
    ])
      expect(await answerOf(phone.approve(push, undefined, change))).toEqual(refusal('PBA-15005'));
  });

  test('C4: 400 PBA-15006 for claims that cannot be read', async () => {
    const { push } = await asked();
    for (const claims of [{ mta: '{' }, { mta: '{"approvedAccountIds":1}' }, { chg: undefined }, { res: 1 }])
      expect(await answerOf(phone.approve(push, undefined, { claims }))).toEqual(refusal('PBA-15006'));
  });

  test('C4: 400 for accounts that were not shown, and for none', async () => {
    const { push } = await asked();
    for (const chosen of [['psu-bob-1'], [], ['psu-alice-1', 'psu-alice-1']])
      expect(await answerOf(phone.approve(push, chosen))).toEqual(refusal('PBA-15006'));
  });

  test('C4: 400 Bad Request for an answer that is neither', async () => {
    const { push } = await asked();
    expect(await answerOf(phone.approve(push, undefined, { claims: { res: 'MAYBE' } }))).toEqual(refusal('Bad Request'));
  });

  test('C4: the challenge of another push is refused and recorded, at most ten times', async () => {
    const [one, other] = [await asked(), await asked()];
    const mixed = { ...one.push, challenge: other.push['challenge'] ?? '' };
    expect(await answerOf(phone.approve(mixed))).toEqual(refusal('Bad Request'));
    expect(await refusalsOf(one.requestId)).toEqual(['challenge']);
    for (let n = 0; n < 11; n += 1) await phone.approve(mixed);
    expect(await refusalsOf(one.requestId)).toHaveLength(10);
    expect((await phone.approve(one.push)).status).toBe(202);
  });

  test("C4: another user's device is refused and recorded", async () => {
    const { push, requestId } = await asked();
    expect(await answerOf(bobs.approve(push))).toEqual(refusal('Bad Request'));
    expect(await refusalsOf(requestId)).toEqual(['device']);
  });

  test('C4: an unknown session is refused', async () => {
    const { push } = await asked();
    expect(await answerOf(phone.approve({ ...push, sessionDataKey: 'unknown' }))).toEqual(refusal('Bad Request'));
  });

  test('C4: an expired session is refused and recorded', async () => {
    const time = standingClock();
    const standing = await startStage({}, { clock: time.clock });
    const own = await standing.phone();
    const { requestId } = await standing.ask({ requested_expiry: '10' });
    const push = await standing.push(own.pushId);
    time.pass(11);
    expect(await answerOf(own.approve(push))).toEqual(refusal('Bad Request'));
    const log = await standing.tested.log();
    const refused = log.filter(({ type, stream }) => type === 'AnswerRefused' && stream.endsWith(requestId));
    expect(refused.map(({ data }) => JSON.parse(data))).toEqual([{ deviceId: own.deviceId, reason: 'ended', at: time.clock() }]);
    await standing.close();
  });

  test('C4: that it has expired is said and recorded before that not all of it was shown', async () => {
    const time = standingClock();
    const standing = await startStage({}, { clock: time.clock });
    const own = await standing.phone();
    const { requestId } = await standing.ask({ requested_expiry: '10', request_context: JSON.stringify({ note: 'x'.repeat(4000) }) });
    const push = await standing.push(own.pushId);
    time.pass(11);
    expect(await answerOf(own.approve(push))).toEqual(refusal('Bad Request'));
    const log = await standing.tested.log();
    const refused = log.filter(({ type, stream }) => type === 'AnswerRefused' && stream.endsWith(requestId));
    expect(refused.map(({ data }) => JSON.parse(data).reason)).toEqual(['ended']);
    await standing.close();
  });
});

describe('C4: check-status', () => {
  test.each(['', '/t/carbon.super'])('C4: PENDING until it is answered, then COMPLETED (%s)', async (tenant) => {
    const { push } = await asked();
    expect(await status(push, tenant)).toEqual([200, { status: 'PENDING' }]);
    await phone.deny(push);
    expect(await status(push, tenant)).toEqual([200, { status: 'COMPLETED' }]);
  });

  test('C4: 400 for an unknown session', async () => {
    expect(await status({ sessionDataKey: 'unknown' })).toEqual(refusal('Bad Request'));
    for (const query of ['', '?sessionDataKey=', '?sessionDataKey=%zz', '?sessionDataKey=a&sessionDataKey=b'])
      expect(await answerOf(fetch(`${stage.tested.url}/t/carbon.super/push-auth/check-status${query}`))).toEqual(refusal('PBA-15007'));
  });
});
