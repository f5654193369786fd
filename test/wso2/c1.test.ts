import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { OAuthError } from '../../src/domain/oauth-error.ts';
import { standingClock } from '../support/clock.ts';
import { people } from '../support/engine.ts';
import { registerPhone } from './support/phone.ts';
import { answerOf, ME, OB_DISCOVERY, type Stage, startStage } from './support/stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.close());

const uuid = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
const data = (answersAt: string) => ({
  did: uuid,
  un: 'alice',
  fn: 'Alice',
  td: 'carbon.super',
  hst: stage.tested.url,
  bp: '/t/carbon.super/api/users/v1/me',
  re: '/push-auth/devices',
  ae: answersAt,
  rde: '/push-auth/devices/remove',
  chg: uuid,
});

describe('C1: discovery data', () => {
  test.each(['', '/t/carbon.super'])('C1: at the path of open banking, with 202 (%s)', async (tenant) =>
    expect(await answerOf(stage.call('GET', tenant + OB_DISCOVERY, stage.as('alice')))).toEqual([
      202,
      data('/api/openbanking/ciba/push-auth/authenticate'),
    ]),
  );

  test.each(['', '/t/carbon.super'])('C1: at the generic path, with 200 (%s)', async (tenant) =>
    expect(await answerOf(stage.call('GET', `${tenant}${ME}/push-auth/discovery-data`, stage.as('alice')))).toEqual([
      200,
      data('/push-auth/authenticate'),
    ]),
  );

  test('C1: a user may name the tenant, wherever a user name is taken', async () => {
    const named = (tenant: string) => `Basic ${btoa(`alice@${tenant}:alice`)}`;
    const calls = [
      ['GET', OB_DISCOVERY, 202],
      ['GET', `${ME}/push-auth/devices`, 200],
      ['POST', '/approver/v1/enrolments', 201],
    ] as const;
    for (const [method, path, status] of calls) {
      expect([path, (await stage.call(method, path, named('carbon.super'))).status]).toEqual([path, status]);
      expect([path, (await stage.call(method, path, named('bank.example'))).status]).toEqual([path, 401]);
    }
  });

  test('C1: names are absent where the directory has none', async () => {
    const [, body] = await answerOf(stage.call('GET', OB_DISCOVERY, stage.as('bob')));
    expect(body).toMatchObject({ un: 'bob' });
    expect(Object.keys(body as object)).not.toEqual(expect.arrayContaining(['fn']));
  });

  test('C1: with the family name where there is one', async () => {
    const named = { username: 'alice', givenName: 'Alice', familyName: 'Example' };
    const withFamily = await startStage({}, { directory: { ...people, nameOf: async () => named } });
    expect(await answerOf(withFamily.call('GET', OB_DISCOVERY, withFamily.as('alice')))).toMatchObject([
      202,
      { fn: 'Alice', ln: 'Example' },
    ]);
    const phone = await withFamily.phone();
    await withFamily.ask();
    expect(await withFamily.push(phone.pushId)).toMatchObject({ username: 'alice', displayName: 'Alice Example' });
    await withFamily.close();
  });

  test('C1: twice as many open offers as a PSU may have devices: for the next one is used, or has expired', async () => {
    const time = standingClock();
    const few = await startStage({ COUNTERSIGN_LIMITS_DEVICES_PER_PSU: '2' }, { clock: time.clock });
    const offers = async () => (await few.tested.log()).filter(({ type }) => type === 'DeviceEnrolmentOffered').length;
    const status = async () => (await few.call('GET', OB_DISCOVERY, few.as('alice'))).status;
    const first = await few.discovery();
    expect([await status(), await status(), await status(), await status()]).toEqual([202, 202, 202, 409]);
    await registerPhone(first);
    expect([await status(), await status()]).toEqual([202, 409]);
    expect(await offers()).toBe(5);
    time.pass(600);
    expect(await status()).toBe(202);
    await few.close();
  });

  test('C1: each is another offer, and its challenge stands nowhere in the open', async () => {
    const [one, other] = [await stage.discovery(), await stage.discovery()];
    expect([one.did === other.did, one.chg === other.chg]).toEqual([false, false]);
    expect(JSON.stringify(await stage.tested.log())).not.toContain(one.chg);
  });

  test('C1: by an access token of the PSU that is for that', async () => {
    const [status, body] = await answerOf(stage.call('GET', OB_DISCOVERY, await stage.psuToken('psu-alice', 'internal_login')));
    expect([status, body]).toEqual([202, data('/api/openbanking/ciba/push-auth/authenticate')]);
  });

  test('C1: not by a token that a TPP got from the PSU, nor by one of a client', async () => {
    const refusal = { error: 'insufficient_scope', error_description: expect.any(String) };
    const ofTpp = await stage.psuToken('psu-alice', 'openid accounts');
    expect(await answerOf(stage.call('GET', OB_DISCOVERY, ofTpp))).toEqual([403, refusal]);
    const ofClient = await stage.adminToken();
    expect(await answerOf(stage.call('GET', OB_DISCOVERY, ofClient))).toEqual([403, refusal]);
  });

  test('C1: errors of the path of open banking', async () => {
    for (const authorization of [null, 'Basic YWxpY2U6Ym9i', 'Basic x', 'Bearer x'])
      expect(await answerOf(stage.call('GET', OB_DISCOVERY, authorization))).toEqual([
        401,
        { error: 'invalid_token', error_description: expect.any(String) },
      ]);
  });

  test('C1: what is the fault of the caller is a 4xx at the path of open banking, and 500 is a fault of our own', async () => {
    let nameOf = people.nameOf;
    const faulty = await startStage({}, { directory: { ...people, nameOf: (psuId) => nameOf(psuId) } });
    const told = () => answerOf(faulty.call('GET', OB_DISCOVERY, faulty.as('alice')));
    const refusal = (error: string) => ({ error, error_description: expect.any(String) });
    nameOf = async () => null;
    expect(await told()).toEqual([404, refusal('not_found')]);
    nameOf = async () => {
      throw new OAuthError('temporarily_unavailable', 'the PSU directory cannot be asked now');
    };
    expect(await told()).toEqual([503, refusal('temporarily_unavailable')]);
    expect(faulty.tested.faults).toEqual([]);
    nameOf = async () => {
      throw new Error('secret detail');
    };
    expect(await told()).toEqual([500, { error: 'server_error', error_description: 'the request could not be completed' }]);
    expect(faulty.tested.faults).toHaveLength(1);
    await expect(faulty.close()).rejects.toThrow('the engine had faults');
  });

  test('C1: errors of the generic path', async () =>
    expect(await answerOf(stage.call('GET', `${ME}/push-auth/discovery-data`, null))).toEqual([
      401,
      { code: '401', message: 'Unauthorized', description: expect.any(String), traceId: uuid },
    ]));

  test('C1 to C5: another tenant is said not to exist in one way, at every path', async () => {
    const nothing = [404, { error: 'not_found', error_description: 'there is nothing here' }];
    const ofTenant = stage.tested.engine.routes.filter(({ path }) => path.startsWith('/t/carbon.super/'));
    expect(ofTenant.length).toBeGreaterThan(20);
    for (const { method, path } of ofTenant) {
      const elsewhere = path.replace('carbon.super', 'another.example').replaceAll(/\{\w+\}/g, 'x');
      expect([path, await answerOf(stage.call(method, elsewhere, stage.as('alice'), method === 'GET' ? undefined : {}))]).toEqual([
        path,
        nothing,
      ]);
    }
  });
});
