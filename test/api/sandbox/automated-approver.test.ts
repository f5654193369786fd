import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { sandboxKeyFile } from '../../../src/adapters/sandbox-keys.ts';
import { answerByRules, type SandboxRules, sandboxRules } from '../../../src/api/sandbox/rules.ts';
import { type ConfigError, loadConfig } from '../../../src/config.ts';
import { detailTypes } from '../../../src/domain/authorization-details/registered.ts';
import { CIBA_GRANT } from '../../../src/domain/client/metadata.ts';
import { standingClock } from '../../support/clock.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { sendForm, sendJson } from '../../support/http.ts';
import { recorded } from '../../support/log.ts';
import { temporaryFolder } from '../../support/served.ts';
import { ask, secretTpp } from '../../support/tpp.ts';
import { type PushData, registerPhone } from '../../wso2/support/phone.ts';

const open: TestEngine[] = [];
afterEach(async () => {
  for (const tested of open.splice(0)) await tested.close();
});

const started = async (
  rules: SandboxRules['rules'] = [],
  {
    keys = sandboxKeyFile(join(temporaryFolder(), 'devices.json')),
    ...ports
  }: Partial<Parameters<typeof testEngine>[0]> & {
    keys?: ReturnType<typeof sandboxKeyFile>;
  } = {},
) => {
  const tested = await testEngine({ ...ports, sandbox: { keys, rules: { rules } } });
  open.push(tested);
  const auth = await secretTpp(tested, { authorization_details_types: [...detailTypes.keys()] });
  const poll = async (authReqId: string) =>
    (await tested.post('/oauth2/token', { ...auth, grant_type: CIBA_GRANT, auth_req_id: authReqId })).body;
  const act = (authReqId: string, action: string) => sendForm(tested, `/sandbox/ciba/${authReqId}/${action}`, {});
  const types = async () => (await tested.log()).map(({ type }) => type);
  return { tested, auth, poll, act, types };
};

/** The answer of the token endpoint as soon as it is another one than to wait. */
const ended = async (poll: (id: string) => Promise<Record<string, unknown>>, authReqId: string) => {
  while (true) {
    const body = await poll(authReqId);
    if (!['authorization_pending', 'slow_down'].includes(String(body['error']))) return body;
  }
};

describe('the automated approver', () => {
  test('makes a device retrieve and sign: allow leads to tokens, deny to a refusal', async () => {
    const { tested, auth, poll, act, types } = await started();
    const allowed = await ask(tested, auth);
    const response = await act(allowed.authReqId, 'allow');
    expect([response.status, await response.json()]).toEqual([200, { request_id: allowed.requestId, status: 'approved' }]);
    expect(await poll(allowed.authReqId)).toMatchObject({ access_token: expect.any(String) });
    const denied = await ask(tested, auth);
    expect((await act(denied.authReqId, 'deny')).status).toBe(200);
    expect(await poll(denied.authReqId)).toMatchObject({ error: 'access_denied' });
    const recorded = await types();
    expect(recorded.filter((type) => type === 'DeviceRegistered')).toHaveLength(1);
    expect(recorded.filter((type) => type === 'ConsentRetrieved')).toHaveLength(2);
    expect(recorded).toEqual(expect.arrayContaining(['CibaRequestApproved', 'ConsentAuthorised', 'CibaRequestDenied']));
  });

  test('enrols one device of a PSU, for many answers at once and after a restart', async () => {
    const file = join(temporaryFolder(), 'devices.json');
    const { tested, auth, act, types } = await started([], { keys: sandboxKeyFile(file) });
    const asked = await Promise.all(Array.from({ length: 5 }, () => ask(tested, auth)));
    const statuses = await Promise.all(asked.map(async ({ authReqId }) => (await act(authReqId, 'allow')).status));
    expect(statuses).toEqual([200, 200, 200, 200, 200]);
    expect((await types()).filter((type) => type === 'DeviceRegistered')).toHaveLength(1);
    const [id] = (await tested.log()).filter(({ type }) => type === 'DeviceRegistered').map(({ stream }) => stream.replace('device-', ''));
    expect(sandboxKeyFile(file).get('psu-alice')?.deviceId).toBe(id);
  });

  test('refuses what cannot be answered, with no fact', async () => {
    const { tested, auth, act } = await started();
    const { authReqId } = await ask(tested, auth);
    const head = await tested.ports.store.head();
    expect((await act(authReqId, 'perhaps')).status).toBe(400);
    expect((await act(authReqId, 'constructor')).status).toBe(400);
    expect((await act('x'.repeat(43), 'allow')).status).toBe(404);
    expect(await tested.ports.store.head()).toBe(head);
    await act(authReqId, 'allow');
    expect((await act(authReqId, 'deny')).status).toBe(409);
    expect((await act(authReqId, 'allow')).status).toBe(200);
  });

  test('tells what phones of the reference were told', async () => {
    const { tested, auth } = await started();
    const pushesOf = async (authReqId: string) => (await sendJson(tested, 'GET', `/sandbox/ciba/${authReqId}/pushes`)).json();
    const authorization = `Basic ${btoa('alice:alice')}`;
    const discovered = await sendJson(tested, 'GET', '/api/openbanking/ciba/push-auth/discovery-data', undefined, { authorization });
    const phone = await registerPhone((await discovered.json()) as Parameters<typeof registerPhone>[0]);
    const { authReqId, requestId } = await ask(tested, auth);
    await recorded(tested, 'ConsentRetrieved', `cibaRequest-${requestId}`);
    const { pushes } = (await pushesOf(authReqId)) as { pushes: PushData[] };
    expect(pushes).toEqual([expect.objectContaining({ deviceId: phone.deviceId, challenge: expect.any(String) })]);
    expect((await phone.approve(pushes[0] as PushData)).status).toBe(202);
    expect(await pushesOf('x'.repeat(43))).toMatchObject({ error: 'not_found' });
  });

  test('is not there unless it is asked for', async () => {
    const tested = await testEngine();
    open.push(tested);
    const { authReqId } = await ask(tested, await secretTpp(tested));
    expect((await sendForm(tested, `/sandbox/ciba/${authReqId}/allow`, {})).status).toBe(404);
    expect(tested.engine.routes.filter(({ path }) => path.startsWith('/sandbox'))).toEqual([]);
  });
});

describe('its rules', () => {
  const rule = (given: object) => sandboxRules.parse({ rules: [given] }).rules;
  const transfer = (amount: string) => ({
    type: 'payment_initiation',
    instructedAmount: { currency: 'EUR', amount },
    creditorName: 'Merchant A',
    creditorAccount: { iban: 'DE02100100109307118603' },
  });
  const cardPayment = (amount: number) => ({
    type: '3ds:payment_authorisation',
    instructed_amount: { currency: 'AUD', amount },
    source_account: '4111111111111111',
    beneficiary_name: 'Merchant A',
    payment_desc: 'Order 1',
  });
  const reading = { type: 'account_information', actions: ['read_balances'] };

  test('approve at once, for the PSU whom a login_hint names', async () => {
    const { tested, auth, poll } = await started(rule({ login_hint: 'alice', answer: 'approve' }));
    expect(await ended(poll, (await ask(tested, auth)).authReqId)).toMatchObject({ access_token: expect.any(String) });
    const { authReqId } = await ask(tested, auth, { login_hint: 'bob' });
    expect(await poll(authReqId)).toMatchObject({ error: 'authorization_pending' });
  });

  test('deny', async () => {
    const { tested, auth, poll } = await started(rule({ psu_id: 'psu-alice', answer: 'deny' }));
    expect(await ended(poll, (await ask(tested, auth)).authReqId)).toMatchObject({ error: 'access_denied' });
  });

  test.each<[string, object[], object[]]>([
    ['transfers', [transfer('100.00')], [transfer('100.01')]],
    ['payments by card', [cardPayment(100)], [cardPayment(5000)]],
    ['one of several', [reading, transfer('100')], [reading, transfer('1'), cardPayment(100.01)]],
  ])('approve payments up to an amount, and deny those above: %s', async (_, within, above) => {
    const { tested, auth, poll } = await started(rule({ login_hint: 'alice', answer: 'approve', deny_above: 100 }));
    const outcome = async (details: object[]) =>
      ended(poll, (await ask(tested, auth, { authorization_details: JSON.stringify(details) })).authReqId);
    expect(await outcome(within)).toMatchObject({ access_token: expect.any(String) });
    expect(await outcome(above)).toMatchObject({ error: 'access_denied' });
  });

  test('wait as long as they say', async () => {
    const time = standingClock();
    const { tested, auth, poll } = await started(rule({ login_hint: 'alice', answer: 'approve', after_seconds: 30 }), {
      clock: time.clock,
    });
    const { authReqId } = await ask(tested, auth);
    // Whatever is recorded lets the rules look again.
    await ask(tested, auth, { login_hint: 'bob' });
    expect(await poll(authReqId)).toMatchObject({ error: 'authorization_pending' });
    time.pass(30);
    await ask(tested, auth, { login_hint: 'bob' });
    expect(await ended(poll, authReqId)).toMatchObject({ access_token: expect.any(String) });
  });

  test('never answer', async () => {
    const never = rule({ login_hint: 'alice', answer: 'never' });
    const { tested, auth, poll, types } = await started([...never, ...rule({ login_hint: 'bob', answer: 'approve' })]);
    const { authReqId } = await ask(tested, auth);
    await ended(poll, (await ask(tested, auth, { login_hint: 'bob' })).authReqId);
    expect(await poll(authReqId)).toMatchObject({ error: expect.stringMatching(/authorization_pending|slow_down/) });
    expect((await types()).filter((type) => type === 'CibaRequestApproved')).toHaveLength(1);
  });

  test.each([
    {},
    { psu_id: 'a', login_hint: 'a', answer: 'deny' },
    { login_hint: 'alice' },
    { login_hint: 'alice', answer: 'deny', further: 1 },
  ])('are refused when they are %j', (given) => expect(sandboxRules.safeParse({ rules: [given] }).success).toBe(false));

  test('that name nobody are an error at the start', async () => {
    const { tested } = await started();
    const deps = { ...tested.ports, detailTypes, load: tested.engine.load, deviceOf: () => Promise.reject(new Error('nobody')) };
    const naming = (psu: object) => answerByRules({ rules: rule({ ...psu, answer: 'deny' }) }, deps);
    await expect(naming({ login_hint: 'nobody' })).rejects.toThrow('names no PSU');
    await expect(naming({ psu_id: 'psu-nobody' })).rejects.toThrow('names no PSU');
  });
});

test('production refuses the settings', () => {
  const wrong = (env: Record<string, string>) => {
    try {
      loadConfig({ env, cwd: temporaryFolder() });
    } catch (error) {
      return (error as ConfigError).message;
    }
    return '';
  };
  const rules = join(temporaryFolder(), 'rules.json');
  writeFileSync(rules, '{"rules":[]}');
  expect(wrong({ COUNTERSIGN_ENVIRONMENT: 'production', COUNTERSIGN_SANDBOX_AUTOMATED_APPROVER: 'true' })).toContain(
    'sandbox.automated_approver: for development only',
  );
  expect(wrong({ COUNTERSIGN_SANDBOX_RULES_FILE: rules })).toContain('sandbox.rules_file');
  expect(wrong({ COUNTERSIGN_SANDBOX_AUTOMATED_APPROVER: 'true', COUNTERSIGN_SANDBOX_RULES_FILE: rules })).toBe('');
});
