import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { openConsentSteps } from '../../src/adapters/consent-steps/from-settings.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { outboundClient } from '../../src/adapters/outbound/outbound.ts';
import { UnusableModule } from '../../src/adapters/own-module.ts';
import { httpsPsuDirectory } from '../../src/adapters/psu-directory/https.ts';
import { loadConfig } from '../../src/config.ts';
import { CIBA_GRANT } from '../../src/domain/client/metadata.ts';
import { startHttps, testIdentity } from '../adapters/outbound/hosts.ts';
import { browser, decide, signIn } from '../support/browser.ts';
import { sendAnswer, testDevice } from '../support/device.ts';
import { people, type TestEngine, testEngine } from '../support/engine.ts';
import { facts } from '../support/log.ts';
import { authorizeUrl, redirectTpp } from '../support/redirecting.ts';
import { temporaryFolder } from '../support/served.ts';
import { ask, lodge, secretTpp } from '../support/tpp.ts';
import { accountAccess, fundsConfirmation, PAYMENTS, vrp } from './support/intents.ts';
import { type IntentBody, intentsAt, referenceTpp } from './support/tpp.ts';

const folder = temporaryFolder();
const moduleOf = (name: string, text: string): string => {
  const file = join(folder, `${name}.mjs`);
  writeFileSync(file, text);
  return file;
};

const faults: unknown[] = [];
const closing: (() => Promise<unknown>)[] = [];
afterEach(() => {
  faults.length = 0;
});
afterAll(() => Promise.all(closing.map((close) => close())));

const stepsOf = (toml: string) => {
  writeFileSync(join(folder, 'settings.toml'), toml);
  return loadConfig({ file: 'settings.toml', env: {}, cwd: folder }).config.consent.authorizeSteps;
};

/** An engine whose steps are those of the settings. What fails in them is kept, and is no fault of the engine. */
const engineWith = async (steps: string | Parameters<typeof openConsentSteps>[0], directory = people): Promise<TestEngine> => {
  const sealer = psuKeys(':memory:', Buffer.alloc(32, 7));
  const onFault = (what: string, error: unknown) => faults.push([what, (error as Error).message]);
  const consentSteps = await openConsentSteps(typeof steps === 'string' ? stepsOf(steps) : steps, { directory, sealer, onFault });
  const tested = await testEngine({ sealer, consentSteps, directory });
  closing.push(() => tested.close());
  return tested;
};

const retrieval = (...own: string[]) =>
  ['non-regulatory', 'ciba-retrieval', 'default-retrieval']
    .map((name, index) => `[[consent.authorize_steps.retrieve]]\nname = "${name}"\npriority = ${(index + 1) * 100}\n`)
    .concat(own.map((lines) => `[[consent.authorize_steps.retrieve]]\n${lines}\n`))
    .join('');
const persisting = (lines: string) =>
  `[[consent.authorize_steps.persist]]\n${lines}\n[[consent.authorize_steps.persist]]\nname = "default-persist"\npriority = 200\n`;

/** A hook of the bank on loopback. */
const hook = async (answer: RequestListener): Promise<string> => {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/step`;
};

const shownOn = async (tested: TestEngine, parameters: Record<string, string> = {}) => {
  const phone = await testDevice(tested, 'alice');
  const tpp = await secretTpp(tested);
  const { requestId } = await ask(tested, tpp, parameters);
  const response = await phone.call('GET', `/requests/${requestId}`);
  const body = (await response.json()) as { shown: string; error?: string };
  return { status: response.status, body, shown: response.ok ? JSON.parse(body.shown) : null, phone, requestId };
};

describe('C3: each of the four consent types', () => {
  const TYPES = [
    ['accounts', 'aisp/account-access-consents', 'accounts', accountAccess(), 'Permissions'],
    ['payments', 'pisp/domestic-payment-consents', 'payments', PAYMENTS['domestic-payment-consents'] as object, 'Payment Type'],
    ['fundsconfirmations', 'cbpii/funds-confirmation-consents', 'fundsconfirmations', fundsConfirmation(), 'Expiration Date Time'],
    ['vrp', 'pisp/domestic-vrp-consents', 'payments', vrp(), 'Payment Type'],
  ] as const;

  test.each(TYPES)('C3: %s is shown on the phone and on the page, and approved on both', async (type, path, scope, body, title) => {
    const tested = await testEngine();
    closing.push(() => tested.close());
    const tpp = await referenceTpp(tested);
    const intents = await intentsAt(tested, tpp, path, scope);
    const lodged = async () =>
      ((await (await intents.post(body, { 'x-idempotency-key': crypto.randomUUID() })).json()) as IntentBody).Data.ConsentId;
    const phone = await testDevice(tested, 'alice');
    const asked = async () => {
      const request = await tpp.requestObject({ scope: `openid ${scope}`, openbanking_intent_id: { value: await lodged() } });
      return (await ask(tested, await tpp.authentication(), { request })).requestId;
    };

    const onPhone = await asked();
    const shown = JSON.parse((await phone.retrieve(onPhone)).shown);
    expect(shown).toMatchObject({ consent_type: type, consent_data: expect.arrayContaining([{ title, data: expect.any(Array) }]) });
    expect(shown.accounts).toHaveLength(2);
    await phone.decide(onPhone, 'approved');

    const onPage = await asked();
    const at = browser(tested.url);
    const list = await signIn(at, await at.get('/oauth2/ciba/answer'), 'alice');
    const page = await at.submit(list, {});
    expect(page.text).toContain(`<dt>${title}</dt>`);
    expect((await decide(at, page, 'approved')).text).toContain('You have approved the request.');
    const answers = (await facts(tested)).filter((event) => event.type === 'CibaRequestApproved');
    expect(answers.map(({ stream }) => stream)).toEqual([`cibaRequest-${onPhone}`, `cibaRequest-${onPage}`]);
  });
});

describe('C3: the built-in steps, removed and reordered by the settings', () => {
  // What it shows says how much was found before it.
  const stamp = () =>
    moduleOf(
      'stamp',
      `export const retrieve = ({ so_far }) =>
        ({ ...so_far, consentData: [...so_far.consentData, { title: 'After', data: [String(so_far.consentData.length)] }] });`,
    );
  const steps = (...names: string[]) =>
    names
      .map((name, index) => `name = "${name}"\npriority = ${index + 1}\n${name === 'stamp' ? `module = "${stamp()}"\n` : ''}`)
      .map((lines) => `[[consent.authorize_steps.retrieve]]\n${lines}`)
      .join('');

  /** What a PSU is shown of a lodged consent: on a phone, and on the page of the redirect flow; null where it is not shown. */
  const shownBy = async (...names: string[]) => {
    const tested = await engineWith(steps(...names));
    const tpp = await redirectTpp(tested, { grant_types: ['authorization_code', 'client_credentials', CIBA_GRANT] });
    const phone = await testDevice(tested, 'alice');
    const { requestId } = await ask(tested, tpp.auth, { openbanking_intent_id: await lodge(tested, tpp.auth) });
    const response = await phone.call('GET', `/requests/${requestId}`);
    const body = (await response.json()) as { shown: string };
    const at = browser(tested.url);
    const claims = JSON.stringify({ id_token: { openbanking_intent_id: { value: await lodge(tested, tpp.auth), essential: true } } });
    const page = await signIn(at, await at.get(authorizeUrl({ ...tpp.request, claims })), 'alice');
    const titles = [...page.text.matchAll(/<dt>([^<]*)<\/dt>\s*<dd><bdi>([^<]*)/g)].map(([, title, value]) => `${title}: ${value}`);
    return {
      phone: response.ok
        ? JSON.parse(body.shown).consent_data.map(({ title, data }: { title: string; data: string[] }) => `${title}: ${data.join()}`)
        : null,
      page: page.status === 200 ? titles.filter((entry) => /^(Permissions|After)/.test(entry)) : null,
    };
  };
  const CONSENT = 'Permissions: ReadBalances';

  test('as they stand, and in the other order: the consent is shown once', async () => {
    const both = { phone: [CONSENT], page: [CONSENT] };
    expect(await shownBy('ciba-retrieval', 'default-retrieval')).toEqual(both);
    expect(await shownBy('default-retrieval', 'ciba-retrieval')).toEqual(both);
  });

  test('one step stands behind that of its flow or before it', async () => {
    expect(await shownBy('ciba-retrieval', 'stamp', 'default-retrieval')).toEqual({
      phone: [CONSENT, 'After: 1'],
      page: ['After: 0', CONSENT],
    });
    expect(await shownBy('default-retrieval', 'stamp', 'ciba-retrieval')).toEqual({
      phone: [CONSENT, 'After: 1'],
      page: [CONSENT, 'After: 1'],
    });
    expect(await shownBy('stamp', 'ciba-retrieval', 'default-retrieval')).toEqual({
      phone: ['After: 0', CONSENT],
      page: ['After: 0', CONSENT],
    });
  });

  test('without that of CIBA the default one shows it; without the default one the page has nothing; without both nobody has', async () => {
    expect(await shownBy('default-retrieval')).toEqual({ phone: [CONSENT], page: [CONSENT] });
    expect(await shownBy('ciba-retrieval')).toEqual({ phone: [CONSENT], page: null });
    expect(await shownBy('non-regulatory')).toEqual({ phone: null, page: null });
  });

  test('without the non-regulatory one a request without a consent offers no accounts', async () => {
    const shown = async (...names: string[]) => (await shownOn(await engineWith(steps(...names)))).shown;
    expect((await shown('non-regulatory', 'default-retrieval')).accounts).toHaveLength(2);
    expect((await shown('ciba-retrieval', 'default-retrieval')).accounts).toEqual([]);
  });
});

describe('C3: accounts from a directory over HTTPS', () => {
  test('stand on the phone and on the consent page, and are those that can be chosen', async () => {
    const identity = await testIdentity();
    const asked: unknown[] = [];
    const directory = await startHttps(identity, async (req, res) => {
      const chunks: Buffer[] = [];
      for await (const chunk of req) chunks.push(chunk as Buffer);
      const question = JSON.parse(Buffer.concat(chunks).toString());
      asked.push(req.url);
      const accounts = { accounts: [{ account_id: 'bank-1', display_name: 'Joint account' }] };
      const psu = { psu_id: 'psu-1', username: 'alice' };
      const known = question.psu_id === 'psu-1' || question.login_hint === 'alice' || question.username === 'alice';
      res.writeHead(known ? 200 : 404).end(JSON.stringify(req.url === '/psus/accounts' ? accounts : psu));
    });
    closing.push(() => directory.close());
    const host = `localhost:${directory.port}`;
    const outbound = outboundClient({ development: true, allowedHosts: [host], ca: identity.ca });
    const psus = httpsPsuDirectory({ url: `https://${host}/psus`, token: null, outbound, onFault: (what) => faults.push(what) });
    const tested = await engineWith('', psus);
    const tpp = await redirectTpp(tested, { grant_types: ['authorization_code', CIBA_GRANT] });

    const phone = await testDevice(tested, 'alice');
    const { requestId } = await ask(tested, tpp.auth);
    const shown = await phone.retrieve(requestId);
    expect(JSON.parse(shown.shown).accounts).toEqual([{ account_id: 'bank-1', display_name: 'Joint account' }]);
    expect((await sendAnswer(tested, requestId, await phone.answer(shown, 'approved', ['psu-alice-1']))).status).toBe(400);
    expect((await sendAnswer(tested, requestId, await phone.answer(shown, 'approved', ['bank-1']))).status).toBe(200);

    const at = browser(tested.url);
    const page = await signIn(at, await at.get(authorizeUrl(tpp.request)), 'alice');
    expect(page.text).toContain('Joint account');
    expect((await at.submit(page, { verdict: 'approved', 'account.0': 'bank-1' })).goesTo).toContain('code=');
    expect([asked.filter((path) => path === '/psus/accounts').length, faults]).toEqual([2, []]);
  });
});

describe('C3: the example of a module of the bank’s own', () => {
  const EXAMPLE = join(import.meta.dirname, '../../examples/consent-step');

  test('says its limit on the phone, and refuses an approval of more', async () => {
    const { config } = loadConfig({ file: 'settings.toml', env: {}, cwd: EXAMPLE });
    const tested = await engineWith(config.consent.authorizeSteps);
    const tpp = await referenceTpp(tested);
    const phone = await testDevice(tested, 'alice');
    const intents = await intentsAt(tested, tpp, 'pisp/domestic-payment-consents', 'payments');
    const shownOf = async (Amount: string) => {
      const body = structuredClone(PAYMENTS['domestic-payment-consents']) as { Data: { Initiation: { InstructedAmount: object } } };
      body.Data.Initiation.InstructedAmount = { Amount, Currency: 'GBP' };
      const lodged = (await (await intents.post(body, { 'x-idempotency-key': crypto.randomUUID() })).json()) as IntentBody;
      const request = await tpp.requestObject({ scope: 'openid payments', openbanking_intent_id: { value: lodged.Data.ConsentId } });
      return phone.retrieve((await ask(tested, await tpp.authentication(), { request })).requestId);
    };
    const answer = async (shown: Awaited<ReturnType<typeof shownOf>>, verdict: 'approved' | 'denied', accounts: string[]) => {
      const response = await sendAnswer(tested, shown.request_id, await phone.answer(shown, verdict, accounts));
      return [response.status, await response.json()];
    };

    const little = await shownOf('99.99');
    expect(JSON.parse(little.shown).consent_data.at(-1)).toEqual({ title: 'Limit for One Payment', data: ['Amount : 100'] });
    expect(await answer(little, 'approved', ['psu-alice-1'])).toMatchObject([200, { status: 'approved' }]);
    const much = await shownOf('165.88');
    expect(await answer(much, 'approved', ['psu-alice-1'])).toEqual([
      403,
      { error: 'access_denied', error_description: 'the bank allows 100 for one payment' },
    ]);
    expect(await answer(much, 'denied', [])).toMatchObject([200, { status: 'denied' }]);
  });

  test('is checked by its types', () => {
    const check = (text: string): string => {
      const project = temporaryFolder();
      const root = join(EXAMPLE, '../..');
      const compilerOptions = { rootDir: '/', types: [], rewriteRelativeImportExtensions: false };
      writeFileSync(join(project, 'package.json'), '{"type":"module"}');
      writeFileSync(
        join(project, 'tsconfig.json'),
        JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions, include: ['*.ts'] }),
      );
      writeFileSync(join(project, 'step.ts'), text.replaceAll('../../src/', join(root, 'src/')));
      return spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project], { encoding: 'utf8' }).stdout;
    };
    const example = readFileSync(join(EXAMPLE, 'payment-limit.ts'), 'utf8');
    expect(check(example)).toBe('');
    expect(check(example.replace('{ accepted: true }', '{ accepted: 1 }'))).toContain('error TS2322');
  });
});

describe('a step of the bank’s own', () => {
  test('that is a module sees what the steps before found, and says what is shown', async () => {
    const file = moduleOf(
      'own-accounts',
      `export const retrieve = async (told) => {
        const accounts = [{ account_id: 'own-1', display_name: told.psu_id + ' by ' + told.flow }];
        const before = told.so_far.accounts.length;
        told.so_far.accounts.length = 0;
        return { ...told.so_far, accounts, consentData: [{ title: 'Before', data: [String(before), told.scope] }] };
      };`,
    );
    const tested = await engineWith(retrieval(`name = "own-accounts"\npriority = 400\nmodule = "${file}"`));
    const { shown } = await shownOn(tested);
    expect(shown).toMatchObject({
      accounts: [{ account_id: 'own-1', display_name: 'psu-alice by ciba' }],
      consent_data: [{ title: 'Before', data: ['2', 'openid accounts'] }],
    });
  });

  test('goes before the built-in ones where its priority is lower: accounts that it offers stay', async () => {
    const file = moduleOf(
      'first',
      `export const retrieve = ({ so_far }) => ({ ...so_far, accounts: [{ account_id: 'a', display_name: 'Own' }] });`,
    );
    const tested = await engineWith(retrieval(`name = "first"\npriority = 50\nmodule = "${file}"`));
    expect((await shownOn(tested)).shown.accounts).toEqual([{ account_id: 'a', display_name: 'Own' }]);
  });

  test('that is a hook gets JSON and a bearer token, and its accounts are those that can be chosen', async () => {
    const secret = moduleOf('secret', 'hook-secret\n');
    const calls: unknown[] = [];
    const url = await hook(async (req, res) => {
      const chunks: Buffer[] = [];
      for await (const chunk of req) chunks.push(chunk as Buffer);
      const told = JSON.parse(Buffer.concat(chunks).toString());
      calls.push([req.method, req.headers.authorization, told]);
      res.end(JSON.stringify({ ...told.so_far, accounts: [{ account_id: 'hooked', display_name: 'Hooked' }] }));
    });
    const tested = await engineWith(retrieval(`name = "hooked"\npriority = 400\nurl = "${url}"\nsecret_file = "${secret}"`));
    const tpp = await secretTpp(tested);
    const consentId = await lodge(tested, tpp);
    const phone = await testDevice(tested, 'alice');
    const { requestId } = await ask(tested, tpp, { openbanking_intent_id: consentId });
    const shown = await phone.retrieve(requestId);
    expect(calls).toEqual([
      [
        'POST',
        'Bearer hook-secret',
        {
          ...{ flow: 'ciba', request_id: requestId, client_id: tpp.client_id, psu_id: 'psu-alice', scope: 'openid accounts' },
          consent: expect.objectContaining({ consent_id: consentId, type: 'accounts' }),
          authorization_details: null,
          receipt: { Data: { Permissions: ['ReadBalances'] }, Risk: {} },
          so_far: expect.objectContaining({ type: 'accounts' }),
        },
      ],
    ]);
    expect((await sendAnswer(tested, requestId, await phone.answer(shown, 'approved', ['psu-alice-1']))).status).toBe(400);
    expect((await sendAnswer(tested, requestId, await phone.answer(shown, 'approved', ['hooked']))).status).toBe(200);
  });

  const NOT_AN_ANSWER: [string, RequestListener][] = [
    ['answers 500', (_req, res) => res.writeHead(500).end('{}')],
    ['answers no JSON', (_req, res) => res.end('not JSON')],
    ['answers without accounts', (_req, res) => res.end('{"consentData":[],"type":null}')],
    ['names an account twice', (_req, res) => res.end(JSON.stringify({ consentData: [], type: null, accounts: [ACCOUNT, ACCOUNT] }))],
    ['sends half a character', (_req, res) => res.end('{"consentData":[{"title":"\\ud800","data":[]}],"type":null,"accounts":[]}')],
    ['redirects', (_req, res) => res.writeHead(302, { location: '/elsewhere' }).end()],
    ['cuts the connection', (req) => req.socket.destroy()],
    ['is late', () => undefined],
  ];
  const ACCOUNT = { account_id: 'a', display_name: 'A' };

  test.each(NOT_AN_ANSWER)('that %s: the PSU is to try again, nothing is recorded, and the operator is told', async (_what, answer) => {
    const tested = await engineWith(retrieval(`name = "failing"\npriority = 400\nurl = "${await hook(answer)}"\ntimeout_ms = 200`));
    const { status, body, requestId } = await shownOn(tested);
    expect([status, body.error]).toEqual([503, 'temporarily_unavailable']);
    expect((await facts(tested)).filter(({ stream }) => stream === `cibaRequest-${requestId}`)).toHaveLength(1);
    expect(faults).toEqual([['consent step failing', expect.any(String)]]);

    const redirecting = await redirectTpp(tested);
    const at = browser(tested.url);
    const page = await signIn(at, await at.get(authorizeUrl(redirecting.request)), 'alice');
    expect([page.status, page.text]).toEqual([503, expect.stringContaining('Try again in a minute')]);
    expect((await facts(tested)).map(({ type }) => type)).not.toContain('AuthorizationShown');
  });

  test('a lodged consent that no step shows is not shown', async () => {
    const file = moduleOf('nothing', `export const retrieve = ({ so_far }) => ({ ...so_far, consentData: [] });`);
    const tested = await engineWith(retrieval(`name = "nothing"\npriority = 400\nmodule = "${file}"`));
    const tpp = await secretTpp(tested);
    const phone = await testDevice(tested, 'alice');
    const { requestId } = await ask(tested, tpp, { openbanking_intent_id: await lodge(tested, tpp) });
    expect((await phone.call('GET', `/requests/${requestId}`)).status).toBe(503);
  });
});

describe('a step that an approval passes', () => {
  const limit = () =>
    moduleOf(
      'limit',
      `export const persist = ({ chosen, flow }) =>
        chosen.account_ids.length > 1 ? { accepted: false, reason: 'one account at most over ' + flow } : { accepted: true };`,
    );

  test('refuses it before it is recorded, on a phone: less can be approved after that', async () => {
    const tested = await engineWith(persisting(`name = "limit"\npriority = 10\nmodule = "${limit()}"`));
    const { phone, requestId, body } = await shownOn(tested);
    const shown = body as unknown as Parameters<typeof phone.answer>[0];
    const before = await tested.ports.store.head();
    const refused = await sendAnswer(tested, requestId, await phone.answer(shown, 'approved', ['psu-alice-1', 'psu-alice-2']));
    expect([refused.status, await refused.json()]).toEqual([
      403,
      { error: 'access_denied', error_description: 'one account at most over ciba' },
    ]);
    expect(await facts(tested, before)).toEqual([]);
    expect((await sendAnswer(tested, requestId, await phone.answer(shown, 'approved', ['psu-alice-1']))).status).toBe(200);
  });

  test('sees what is asked for and approved of the authorization details', async () => {
    const file = moduleOf(
      'balances-only',
      `export const persist = ({ chosen, authorization_details: asked }) =>
        chosen.authorization_details[0].actions.length < asked[0].actions.length
          ? { accepted: true }
          : { accepted: false, reason: 'approve less than all ' + asked[0].actions.length };`,
    );
    const tested = await engineWith(persisting(`name = "less"\npriority = 10\nmodule = "${file}"`));
    const reading = { type: 'account_information', actions: ['list_accounts', 'read_balances'] };
    const part = { ...reading, actions: ['read_balances'] };
    const tpp = await secretTpp(tested, { authorization_details_types: [reading.type] });
    const phone = await testDevice(tested, 'alice');
    const { requestId } = await ask(tested, tpp, { scope: 'openid', authorization_details: JSON.stringify([reading]) });
    const shown = await phone.retrieve(requestId);
    const answering = async (claims: object) => {
      const answer = await phone.answer(shown, 'approved', [], { claims });
      return sendAnswer(tested, requestId, answer);
    };
    const refused = await answering({});
    expect([refused.status, await refused.json()]).toMatchObject([403, { error_description: 'approve less than all 2' }]);
    expect((await answering({ authorization_details: [part] })).status).toBe(200);
  });

  test('refuses it on the page', async () => {
    const tested = await engineWith(persisting(`name = "limit"\npriority = 10\nmodule = "${limit()}"`));
    const { request } = await redirectTpp(tested);
    const at = browser(tested.url);
    const page = await signIn(at, await at.get(authorizeUrl(request)), 'alice');
    const refused = await decide(at, page, 'approved');
    expect([refused.status, refused.text]).toEqual([403, expect.stringContaining('does not take this answer')]);
    expect((await at.submit(page, { verdict: 'approved', 'account.0': 'psu-alice-1' })).goesTo).toContain('code=');
  });

  test('is not asked about a denial, an answer that was recorded, or one that is refused anyway', async () => {
    let asked = 0;
    const url = await hook((_req, res) => {
      asked += 1;
      res.end('{"accepted":true}');
    });
    const tested = await engineWith(persisting(`name = "counting"\npriority = 10\nurl = "${url}"`));
    const { phone, requestId, body } = await shownOn(tested);
    const shown = body as unknown as Parameters<typeof phone.answer>[0];
    const approval = await phone.answer(shown, 'approved', ['psu-alice-1']);
    expect((await sendAnswer(tested, requestId, await phone.answer(shown, 'approved', ['foreign']))).status).toBe(400);
    expect(asked).toBe(0);
    expect((await sendAnswer(tested, requestId, approval)).status).toBe(200);
    expect((await sendAnswer(tested, requestId, approval)).status).toBe(200);
    expect((await sendAnswer(tested, requestId, await phone.answer(shown, 'denied', []))).status).toBe(409);
    expect(asked).toBe(1);
    const other = await ask(tested, await secretTpp(tested));
    await phone.decide(other.requestId, 'denied');
    expect(asked).toBe(1);
  });

  test('that fails holds the answer back, and it can be given again', async () => {
    let broken = true;
    const url = await hook((_req, res) => res.writeHead(broken ? 500 : 200).end('{"accepted":true}'));
    const tested = await engineWith(persisting(`name = "broken"\npriority = 10\nurl = "${url}"`));
    const { phone, requestId, body } = await shownOn(tested);
    const approval = await phone.answer(body as unknown as Parameters<typeof phone.answer>[0], 'approved', ['psu-alice-1']);
    expect((await sendAnswer(tested, requestId, approval)).status).toBe(503);
    broken = false;
    expect((await sendAnswer(tested, requestId, approval)).status).toBe(200);
  });

  test('sees the approval and the denial of two phones race: one is recorded', async () => {
    const url = await hook((_req, res) => res.end('{"accepted":true}'));
    const tested = await engineWith(persisting(`name = "open"\npriority = 10\nurl = "${url}"`));
    const [one, other] = [await testDevice(tested, 'alice'), await testDevice(tested, 'alice')];
    for (let round = 0; round < 10; round += 1) {
      const { requestId } = await ask(tested, await secretTpp(tested));
      const [first, second] = [await one.retrieve(requestId), await other.retrieve(requestId)];
      const replies = await Promise.all([
        sendAnswer(tested, requestId, await one.answer(first, 'approved', ['psu-alice-1'])),
        sendAnswer(tested, requestId, await other.answer(second, 'denied', [])),
      ]);
      expect(replies.map(({ status }) => status).sort()).toEqual([200, 409]);
    }
  });
});

describe('the settings of the steps', () => {
  const problems = (toml: string): string => {
    try {
      stepsOf(toml);
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  };

  test('are the reference’s five if nothing is set', () => {
    const { retrieve, persist } = stepsOf('');
    expect(retrieve.map(({ name }) => name)).toEqual(['non-regulatory', 'ciba-retrieval', 'default-retrieval']);
    expect(persist.map(({ name }) => name)).toEqual(['ciba-persist', 'default-persist']);
  });

  test('take the names of the reference’s classes', () => {
    const { retrieve } = stepsOf(
      `[[consent.authorize_steps.retrieve]]\nname = "com.wso2.openbanking.accelerator.consent.extensions.authorize.impl.DefaultConsentRetrievalStep"\npriority = 1\n` +
        `[[consent.authorize_steps.retrieve]]\nname = "NonRegulatoryConsentStep"\npriority = 2\n`,
    );
    expect(retrieve.map(({ name, priority }) => [name, priority])).toEqual([
      ['default-retrieval', 1],
      ['non-regulatory', 2],
    ]);
  });

  test('resolve the path of a module against the file', () => {
    const { retrieve } = stepsOf(retrieval('name = "own"\npriority = 1\nmodule = "steps/own.mjs"'));
    expect(retrieve.at(-1)?.module).toBe(join(folder, 'steps/own.mjs'));
  });

  test('can be written in the environment, the built-in ones', () => {
    const env = { COUNTERSIGN_CONSENT_AUTHORIZE_STEPS_RETRIEVE: 'default-retrieval:5, non-regulatory:3' };
    const { retrieve } = loadConfig({ env, cwd: folder }).config.consent.authorizeSteps;
    expect(retrieve.map(({ name, priority }) => [name, priority])).toEqual([
      ['default-retrieval', 5],
      ['non-regulatory', 3],
    ]);
  });

  test.each([
    ['a name that every object has', retrieval('name = "constructor"\npriority = 1'), 'constructor is no step that is built in'],
    [
      'a class of somebody else that has the name of one of the reference’s',
      `[[consent.authorize_steps.retrieve]]\nname = "com.bank.DefaultConsentRetrievalStep"\npriority = 1\n`,
      'com.bank.DefaultConsentRetrievalStep is no step that is built in',
    ],
    ['a name that is nobody’s', retrieval('name = "unheard"\npriority = 1'), 'unheard is no step that is built in'],
    [
      'a priority that another has',
      retrieval('name = "own"\npriority = 100\nurl = "https://bank.example/x"'),
      'has the priority of another',
    ],
    [
      'a built-in name for an own step',
      `[[consent.authorize_steps.retrieve]]\nname = "non-regulatory"\npriority = 1\nmodule = "x.mjs"\n`,
      'is built in',
    ],
    [
      'a module and a URL',
      retrieval('name = "own"\npriority = 1\nmodule = "x.mjs"\nurl = "https://bank.example/x"'),
      'module or url, not both',
    ],
    ['a step behind the recording', persisting('name = "own"\npriority = 300\nmodule = "x.mjs"'), 'when the answer is recorded already'],
    [
      'nothing that records',
      `[[consent.authorize_steps.persist]]\nname = "own"\npriority = 1\nmodule = "x.mjs"\n`,
      'expected default-persist',
    ],
  ])('refuse %s', (_what, toml, words) => expect(problems(toml)).toContain(words));

  test.each([
    ['is not there', join(folder, 'nowhere.mjs'), 'could not be loaded'],
    ['is no JavaScript', moduleOf('broken', 'export const = 1'), 'could not be loaded'],
    [
      'exports something else',
      moduleOf('other', 'export const persist = () => ({ accepted: true });'),
      'expected an exported function retrieve',
    ],
  ])('a module that %s stops the start', async (_what, file, words) => {
    const opening = openConsentSteps(stepsOf(retrieval(`name = "own"\npriority = 1\nmodule = "${file}"`)), {
      directory: people,
      sealer: psuKeys(':memory:', Buffer.alloc(32, 7)),
      onFault: () => undefined,
    });
    await expect(opening).rejects.toThrow(UnusableModule);
    await expect(opening).rejects.toThrow(words);
  });
});
