import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { localLimits } from '../../src/adapters/limits/local.ts';
import { openLoginScript } from '../../src/adapters/login-script.ts';
import { UnusableModule } from '../../src/adapters/own-module.ts';
import { inMemoryPushSender } from '../../src/adapters/push/in-memory.ts';
import { makeLogin } from '../../src/api/login.ts';
import type { Decide } from '../../src/domain/decide.ts';
import { answerIn, browser, signIn } from '../support/browser.ts';
import { standingClock } from '../support/clock.ts';
import { sendAnswer, testDevice } from '../support/device.ts';
import { people, type TestEngine, testEngine } from '../support/engine.ts';
import { facts, recorded } from '../support/log.ts';
import { authorizeUrl, redirectTpp } from '../support/redirecting.ts';
import { temporaryFolder } from '../support/served.ts';
import { ask, lodge, secretTpp } from '../support/tpp.ts';

const folder = temporaryFolder();
const closing: TestEngine[] = [];
afterAll(() => Promise.all(closing.map((tested) => tested.close())));

const engine = async (...given: Parameters<typeof testEngine>): Promise<TestEngine> => {
  const tested = await testEngine(...given);
  closing.push(tested);
  return tested;
};

/** A script that writes what it is told into `told`, by the name of its file. */
const scriptOf = (name: string, text: string): string => {
  const file = join(folder, `${name}.mjs`);
  writeFileSync(file, text);
  return file;
};
const withScript = async (name: string, text: string, onFault: (what: string) => void = () => undefined) =>
  openLoginScript(scriptOf(name, text), { psuChannel: 'Branch', onFault });

const attempts = async (tested: TestEngine) =>
  (await facts(tested))
    .filter(({ type }) => type.startsWith('Authentication'))
    .map(({ type, data, stream, actor }) => ({
      ...{ type, stream, actor },
      data: JSON.parse(data),
    }));
const lastPath = (stream: string) => stream.slice('authentication-'.length);

describe('the redirect flow', () => {
  test('publishes who has signed in, by which step, for which request and in which channel', async () => {
    const tested = await engine({}, { COUNTERSIGN_AUTHENTICATION_PSU_CHANNEL: 'Mobile Banking' });
    const { request } = await redirectTpp(tested);
    const at = browser(tested.url);
    await signIn(at, await at.get(authorizeUrl(request)), 'alice');
    const [{ type, data, actor, stream }] = (await attempts(tested)) as [Awaited<ReturnType<typeof attempts>>[number]];
    expect({ type, data, actor }).toEqual({
      type: 'AuthenticationSucceeded',
      data: {
        flow: 'code',
        step: 'basic',
        deviceId: null,
        requestId: expect.any(String),
        psuChannel: 'Mobile Banking',
        at: expect.any(Number),
        psuId: 'psu-alice',
      },
      actor: { kind: 'psu', id: 'psu-alice' },
    });
    const signedIn = (await facts(tested)).find((event) => event.type === 'AuthorizationPsuAuthenticated');
    expect(JSON.parse(signedIn?.data ?? '').sessionId).toBe(lastPath(stream));
  });

  test('publishes failures: whose user name it was, nothing that was typed', async () => {
    const tested = await engine();
    const { request } = await redirectTpp(tested);
    const at = browser(tested.url);
    const page = await at.get(authorizeUrl(request));
    for (const [username, password] of [
      ['alice', 'not-her-password'],
      ['somebody-else', 'some-password'],
      ['', 'only-a-password'],
    ] as const)
      await signIn(at, page, username, password);
    const failures = await attempts(tested);
    expect(failures.map(({ type, data }) => [type, data.psuId, data.reason])).toEqual([
      ['AuthenticationFailed', 'psu-alice', 'wrong_credentials'],
      ['AuthenticationFailed', null, 'wrong_credentials'],
    ]);
    const log = JSON.stringify(await tested.log());
    for (const typed of ['not-her-password', 'some-password', 'somebody-else', 'only-a-password']) expect(log).not.toContain(typed);
  });

  test('publishes that somebody else than the PSU of the request has tried', async () => {
    const tested = await engine();
    const tpp = await redirectTpp(tested);
    const at = browser(tested.url);
    const first = await at.submit(await signIn(at, await at.get(authorizeUrl(tpp.request)), 'alice'), {
      verdict: 'approved',
      'account.0': 'psu-alice-1',
    });
    const { body } = await tpp.redeem(answerIn(first.goesTo)['code'] ?? '');
    const again = await at.get(authorizeUrl({ ...tpp.request, id_token_hint: String(body['id_token']) }));
    expect((await signIn(at, again, 'bob')).alert).toContain('for somebody else');
    expect((await attempts(tested)).at(-1)).toMatchObject({
      type: 'AuthenticationFailed',
      data: { psuId: 'psu-bob', reason: 'other_psu' },
    });
  });

  test('cannot be made to flood the log: 5 failures of a user name within 15 minutes, and then again', async () => {
    const time = standingClock();
    const tested = await engine({ clock: time.clock });
    const { request } = await redirectTpp(tested);
    const at = browser(tested.url);
    const page = await at.get(authorizeUrl(request));
    const tryOften = async (times: number, username: (n: number) => string) => {
      for (let n = 0; n < times; n += 1) await signIn(at, page, username(n), 'wrong');
    };
    await tryOften(12, () => 'alice');
    expect(await attempts(tested)).toHaveLength(5);
    time.pass(900);
    const later = await at.get(authorizeUrl(request));
    for (let n = 0; n < 12; n += 1) await signIn(at, later, 'alice', 'wrong');
    expect(await attempts(tested)).toHaveLength(10);
  });

  test('the story of a lodged consent holds them', async () => {
    const tested = await engine();
    const tpp = await redirectTpp(tested);
    const consentId = await lodge(tested, tpp.auth);
    const at = browser(tested.url);
    const claims = JSON.stringify({ id_token: { openbanking_intent_id: { value: consentId, essential: true } } });
    const page = await at.get(authorizeUrl({ ...tpp.request, claims }));
    await signIn(at, page, 'alice', 'wrong');
    await signIn(at, page, 'alice');
    for (const { stream } of await attempts(tested)) {
      const events = await tested.ports.store.read(stream);
      expect(events.map(({ correlationId }) => correlationId)).toEqual([consentId]);
    }
  });
});

describe('a call that brings a user name and a password', () => {
  const ENROLMENTS = '/approver/v1/enrolments';
  const DISCOVERY = '/api/openbanking/ciba/push-auth/discovery-data';
  const call = async (tested: TestEngine, method: string, path: string, username: string, password: string = username) =>
    (await fetch(tested.url + path, { method, headers: { authorization: `Basic ${btoa(`${username}:${password}`)}` } })).status;

  test.each([
    ['an enrolment', 'POST', ENROLMENTS, 201],
    ["the reference's discovery data", 'GET', DISCOVERY, 202],
  ])('is published like one on a page: %s', async (_, method, path, done) => {
    const tested = await engine();
    expect(await call(tested, method, path, 'alice')).toBe(done);
    expect(await call(tested, method, path, 'bob', 'not-his-password')).toBe(401);
    expect(await call(tested, method, path, 'nobody')).toBe(401);
    expect(await call(tested, method, path, 'alice', '')).toBe(401);
    const about = { flow: 'devices', step: 'basic', deviceId: null, requestId: null, psuChannel: 'Online Banking', at: expect.any(Number) };
    const found = await attempts(tested);
    expect(found.map(({ type, data }) => [type, data])).toEqual([
      ['AuthenticationSucceeded', { ...about, psuId: 'psu-alice' }],
      ['AuthenticationFailed', { ...about, psuId: 'psu-bob', reason: 'wrong_credentials' }],
      ['AuthenticationFailed', { ...about, psuId: null, reason: 'wrong_credentials' }],
    ]);
    expect(JSON.stringify(await tested.log())).not.toContain('not-his-password');
  });

  test('cannot be made to flood the log: one success of a PSU in 10 seconds, and the failures of the pages and the calls together', async () => {
    const time = standingClock();
    const tested = await engine({ clock: time.clock }, { COUNTERSIGN_LIMITS_DEVICES_PER_PSU: '1000' });
    for (let n = 0; n < 4; n += 1) expect(await call(tested, 'POST', ENROLMENTS, 'alice')).toBe(201);
    expect(await call(tested, 'GET', DISCOVERY, 'alice')).toBe(202);
    expect(await call(tested, 'GET', DISCOVERY, 'bob')).toBe(202);
    time.pass(10);
    expect(await call(tested, 'GET', DISCOVERY, 'alice')).toBe(202);
    expect((await attempts(tested)).map(({ data }) => data.psuId)).toEqual(['psu-alice', 'psu-bob', 'psu-alice']);

    const before = (await attempts(tested)).length;
    const { request } = await redirectTpp(tested);
    const at = browser(tested.url);
    const page = await at.get(authorizeUrl(request));
    for (let n = 0; n < 3; n += 1) {
      await signIn(at, page, 'alice', 'wrong');
      await call(tested, 'POST', ENROLMENTS, 'alice', 'wrong');
      await call(tested, 'GET', DISCOVERY, 'alice', 'wrong');
    }
    expect((await attempts(tested)).length - before).toBe(5);
  });

  test('cannot fill the memory: what is beyond 500 failures is remembered of no user name', async () => {
    const time = standingClock();
    const hashed: string[] = [];
    const hash = (text: string) => {
      hashed.push(text);
      return systemIds.hash(text);
    };
    const ids = { ...systemIds, hash };
    const log: string[] = [];
    const login = makeLogin(
      {
        ...{
          directory: people,
          limits: localLimits(':memory:', time),
          clock: time.clock,
          ids,
          loginScript: await withScript('plain', 'export const onFail = () => {};'),
        },
        signIn: async () => 'wrong',
        userOf: (name) => name,
        decide: (async (_decider: unknown, id: string) => void log.push(id)) as unknown as Decide,
      },
      { codeFlow: ['basic'], psuChannel: 'x' },
    );
    for (let n = 0; n < 600; n += 1) expect(await login.ofCall(`somebody-${n}`, 'wrong')).toBeNull();
    expect([log.length, hashed.length]).toEqual([500, 500]);
    time.pass(900);
    for (let n = 0; n < 7; n += 1) await login.ofCall('alice', 'wrong');
    for (let n = 0; n < 500; n += 1) await login.ofCall(`somebody-${n}`, 'wrong');
    expect(log).toHaveLength(1000);
  });

  test('that nobody has looked at is no failure, and can be tried again', async () => {
    const waiting: (() => void)[] = [];
    let busy = true;
    const authenticate: typeof people.authenticate = async (username, password) => {
      if (busy) await new Promise<void>((resolve) => waiting.push(resolve));
      return people.authenticate(username, password);
    };
    const tested = await engine({ directory: { ...people, authenticate } });
    const others = Array.from({ length: 8 }, () => call(tested, 'POST', ENROLMENTS, 'bob'));
    while (waiting.length < 5) await new Promise((resolve) => setImmediate(resolve));
    const before = await attempts(tested);
    expect(await call(tested, 'POST', ENROLMENTS, 'bob')).toBe(503);
    const at = browser(tested.url);
    const page = await signIn(at, await at.get('/oauth2/ciba/answer'), 'bob');
    expect([page.heading, page.alert]).toEqual(['Sign in', expect.stringContaining('too many attempts')]);
    expect([before, await attempts(tested)]).toEqual([[], []]);
    busy = false;
    for (const go of waiting) go();
    expect((await Promise.all(others)).filter((status) => status === 201)).toHaveLength(5);
    expect(await call(tested, 'POST', ENROLMENTS, 'bob')).toBe(201);
    expect((await attempts(tested)).map(({ type }) => type)).not.toContain('AuthenticationFailed');
  });

  test('is asked of the script too', async () => {
    const script = await withScript('pages-only', 'export const onLoginRequest = ({ flow, steps }) => (flow === "devices" ? [] : steps);');
    const tested = await engine({ loginScript: script });
    expect(await call(tested, 'POST', ENROLMENTS, 'alice')).toBe(401);
    expect(await attempts(tested)).toEqual([]);
  });
});

describe('sessions on our pages', () => {
  test('for the back channel: a hundred of one PSU within 15 minutes', async () => {
    const time = standingClock();
    const tested = await engine({ clock: time.clock });
    const at = browser(tested.url);
    const page = await at.get('/oauth2/ciba/answer');
    const cookies = [...at.cookies];
    const again = async (username: string) => {
      for (const [name, value] of cookies) at.cookies.set(name, value);
      return (await signIn(at, page, username)).heading;
    };
    for (let n = 0; n < 100; n += 1) await again('alice');
    expect(await attempts(tested)).toHaveLength(100);
    expect(await again('alice')).toBe('Sign in');
    expect(await attempts(tested)).toHaveLength(100);
    expect(await again('bob')).toBe('What waits for your answer');
    time.pass(900);
    expect(await again('alice')).toBe('What waits for your answer');
  });

  test('of one request: ten', async () => {
    const tested = await engine();
    const { request } = await redirectTpp(tested);
    const at = browser(tested.url);
    const page = await at.get(authorizeUrl(request));
    const cookies = [...at.cookies];
    const statuses: number[] = [];
    for (let n = 0; n < 12; n += 1) {
      for (const [name, value] of cookies) at.cookies.set(name, value);
      statuses.push((await signIn(at, page, 'alice')).status);
    }
    expect(statuses).toEqual([...Array(10).fill(200), 409, 409]);
    expect(await attempts(tested)).toHaveLength(10);
  });
});

describe('a script', () => {
  test('chooses the steps, and is told how they ended', async () => {
    const file = `globalThis.toldOfLogins = [];
      export const onLoginRequest = ({ steps, flow }) => { globalThis.toldOfLogins.push(['request', flow]); return steps; };
      export const onSuccess = (told) => { globalThis.toldOfLogins.push(['success', told]); };
      export const onFail = (told) => { globalThis.toldOfLogins.push(['fail', told]); };`;
    const tested = await engine({ loginScript: await withScript('telling', file) });
    const { request, auth } = await redirectTpp(tested);
    const at = browser(tested.url);
    const page = await at.get(authorizeUrl(request));
    await signIn(at, page, 'alice', 'wrong');
    await signIn(at, page, 'alice');
    const { toldOfLogins: told } = globalThis as unknown as { toldOfLogins: [string, object][] };
    const about = { flow: 'code', client_id: auth.client_id, request_id: expect.any(String), psu_channel: 'Branch', step: 'basic' };
    expect(told.filter(([hook]) => hook !== 'request')).toEqual([
      ['fail', { ...about, psu_id: 'psu-alice' }],
      ['success', { ...about, psu_id: 'psu-alice' }],
    ]);
    expect(told.filter(([hook]) => hook === 'request')).toHaveLength(3);
  });

  test('is told how the step push has ended, once for each answer', async () => {
    const file = `globalThis.toldOfPushes = [];
      export const onSuccess = (told) => { globalThis.toldOfPushes.push(['success', told]); };
      export const onFail = (told) => { globalThis.toldOfPushes.push(['fail', told]); };`;
    const tested = await engine({ loginScript: await withScript('telling-of-pushes', file) });
    const phone = await testDevice(tested, 'alice');
    const tpp = await secretTpp(tested);
    const { toldOfPushes: told } = globalThis as unknown as { toldOfPushes: [string, object][] };
    told.length = 0;
    const [one, other] = [await ask(tested, tpp), await ask(tested, tpp)];
    const shown = await phone.retrieve(one.requestId);
    for (let again = 0; again < 2; again += 1)
      await sendAnswer(tested, one.requestId, await phone.answer(shown, 'approved', ['psu-alice-1']));
    await phone.decide(other.requestId, 'denied');
    const about = { flow: 'ciba', client_id: tpp.client_id, psu_channel: 'Branch', step: 'push', psu_id: 'psu-alice' };
    expect(told).toEqual([
      ['success', { ...about, request_id: one.requestId }],
      ['fail', { ...about, request_id: other.requestId }],
    ]);
  });

  test('that wants no step of the redirect flow sends the browser back', async () => {
    const tested = await engine({ loginScript: await withScript('none', 'export const onLoginRequest = () => [];') });
    const { request } = await redirectTpp(tested);
    const visited = await browser(tested.url).get(authorizeUrl(request));
    expect(answerIn(visited.goesTo)).toMatchObject({ error: 'access_denied', state: 'a-state' });
    const signInPage = await browser(tested.url).get('/oauth2/ciba/answer');
    expect([signInPage.status, signInPage.text]).toEqual([403, expect.stringContaining('access_denied')]);
  });

  test('that wants no push for a client leaves its requests to those who look', async () => {
    const script = await withScript('no-push', 'export const onLoginRequest = ({ flow, steps }) => (flow === "ciba" ? [] : steps);');
    const pushSender = inMemoryPushSender();
    const tested = await engine({ loginScript: script, pushSender });
    const phone = await testDevice(tested, 'alice');
    await phone.call('PUT', `/devices/${phone.deviceId}/push-token`, { push_token: 'token' });
    const { requestId } = await ask(tested, await secretTpp(tested));
    const rejected = await recorded(tested, 'DevicePushRejected', `push-${requestId}.${phone.deviceId}.2`);
    expect(JSON.parse(rejected.data)).toMatchObject({ reason: 'login_script' });
    await phone.decide(requestId, 'approved');
  });

  test.each([
    ['throws', 'export const onLoginRequest = () => { throw new Error("no"); };'],
    ['names a step that there is not', 'export const onLoginRequest = () => ["retina"];'],
    ['names none', 'export const onLoginRequest = () => undefined;'],
  ])('that %s lets nobody sign in for now, and the operator is told', async (name, text) => {
    const told: string[] = [];
    const tested = await engine({ loginScript: await withScript(name.replaceAll(' ', '-'), text, (what) => told.push(what)) });
    const { request } = await redirectTpp(tested);
    const visited = await browser(tested.url).get(authorizeUrl(request));
    expect(answerIn(visited.goesTo)).toMatchObject({ error: 'temporarily_unavailable' });
    expect(told).toEqual(['login script onLoginRequest']);
  });

  test('whose onSuccess fails changes nothing', async () => {
    const told: string[] = [];
    const script = await withScript('late', 'export const onSuccess = async () => { throw new Error("no"); };', (what) => told.push(what));
    const tested = await engine({ loginScript: script });
    const { request } = await redirectTpp(tested);
    const at = browser(tested.url);
    expect((await signIn(at, await at.get(authorizeUrl(request)), 'alice')).heading).toBe('Do you allow A TPP to do this?');
    expect(told).toEqual(['login script onSuccess']);
  });

  test('that cannot be loaded stops the start', async () => {
    await expect(withScript('wrong', 'export const onLoginRequest = 1;')).rejects.toThrow(UnusableModule);
  });
});
