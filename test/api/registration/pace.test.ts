import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { localLimits } from '../../../src/adapters/limits/local.ts';
import { makePace } from '../../../src/api/registration/pace.ts';
import { standingClock } from '../../support/clock.ts';
import type { TestEngine } from '../../support/engine.ts';
import { expectRefusal } from '../../support/http.ts';
import { corrupted } from '../../support/jws.ts';
import { bearer, type Ecosystem, engineIn, REGISTER, registered, sendRegistration, startEcosystem } from './ecosystem.ts';

const ONE_A_MINUTE = { COUNTERSIGN_REGISTRATION_PER_MINUTE: '1' };

let ecosystem: Ecosystem;
beforeAll(async () => {
  ecosystem = await startEcosystem();
});
afterAll(() => ecosystem.close());

const within = async (started: Promise<TestEngine>, use: (engine: TestEngine) => Promise<void>) => {
  const engine = await started;
  try {
    await use(engine);
  } finally {
    await engine.close();
  }
};

const wanted = (software_statement: string) => ({ software_statement, token_endpoint_auth_method: 'private_key_jwt' });
const busy = (engine: TestEngine, call: () => Promise<Response>) => expectRefusal(engine, call, 503, 'temporarily_unavailable');

describe('the registrations of a minute', () => {
  test('are not used up by what stands on nothing', () =>
    within(engineIn(ecosystem, ONE_A_MINUTE), async (engine) => {
      const text = await ecosystem.statement();
      for (const junk of [{}, { software_statement: 1 }, wanted('x'), wanted(corrupted(text)), 'not.a.jwt'])
        expect((await sendRegistration(engine, junk)).status).toBe(400);
      for (const request of [
        await ecosystem.request(engine, { software_statement: text, iss: 'software-2' }),
        corrupted(await ecosystem.request(engine, { software_statement: text })),
      ])
        expect((await sendRegistration(engine, request)).status).toBe(400);
      await registered(sendRegistration(engine, wanted(text)));
      await busy(engine, () => sendRegistration(engine, wanted(text)));
    }));

  test('are not used up by copies of a statement where those are good for nothing', () =>
    within(engineIn(ecosystem, { ...ONE_A_MINUTE, COUNTERSIGN_REGISTRATION_ONE_CLIENT_PER_SOFTWARE: 'true' }), async (engine) => {
      const text = await ecosystem.statement();
      for (let n = 0; n < 3; n += 1)
        await expectRefusal(engine, () => sendRegistration(engine, wanted(text)), 400, 'invalid_client_metadata');
      await registered(sendRegistration(engine, await ecosystem.request(engine, { software_statement: text })));
    }));

  test('leave no room for endless signatures to check', () =>
    within(engineIn(ecosystem, ONE_A_MINUTE), async (engine) => {
      const junk = wanted(corrupted(await ecosystem.statement()));
      for (let n = 0; n < 100; n += 1) expect((await sendRegistration(engine, junk)).status).toBe(400);
      await busy(engine, () => sendRegistration(engine, junk));
    }));
});

test('a client updates its registration a few times in a minute, whatever others do', () =>
  within(engineIn(ecosystem, { COUNTERSIGN_REGISTRATION_PER_MINUTE: '12' }), async (engine) => {
    const [one, other] = [await ecosystem.statement(), await ecosystem.statement()];
    const [first, second] = [
      await registered(sendRegistration(engine, wanted(one))),
      await registered(sendRegistration(engine, wanted(other))),
    ];
    const put = (body: Record<string, string>, token = body['registration_access_token']) =>
      sendRegistration(engine, body, { method: 'PUT', path: `${REGISTER}/${body['client_id']}`, headers: bearer(token) });
    for (let n = 0; n < 3; n += 1) await expectRefusal(engine, () => put(first, 'x'), 401, 'invalid_token');
    for (let n = 0; n < 2; n += 1) await registered(put(first), 200);
    await busy(engine, () => put(first));
    await registered(put(second), 200);
  }));

describe('the pace', () => {
  const refused = expect.objectContaining({ error: 'temporarily_unavailable' });

  test('begins anew after a minute', async () => {
    const { clock, pass } = standingClock();
    const pace = makePace(1, localLimits(':memory:', { clock }));
    const all = [() => pace.register(), () => pace.update('a'), () => pace.update('b')];
    for (const take of all) await take();
    for (const take of all) await expect(take()).rejects.toEqual(refused);
    pass(60);
    for (const take of all) await take();
  });

  test('is five updates of a client, usually', async () => {
    const pace = makePace(30, localLimits(':memory:', standingClock()));
    for (let n = 0; n < 5; n += 1) await pace.update('a');
    await expect(pace.update('a')).rejects.toEqual(refused);
  });
});
