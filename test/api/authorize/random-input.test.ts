import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Browser, browser, fieldsOf, signIn, type Visited } from '../../support/browser.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { facts } from '../../support/log.ts';
import { authorizeUrl, CALLBACK, type RedirectTpp, redirectTpp } from '../../support/redirecting.ts';

const RUNS = Number(process.env['RANDOM_INPUT_RUNS'] ?? 200);

let tested: TestEngine;
let tpp: RedirectTpp;
let at: Browser;
let login: Visited;
let consent: Visited;
beforeAll(async () => {
  tested = await testEngine();
  tpp = await redirectTpp(tested);
  at = browser(tested.url);
  login = await at.get(authorizeUrl(tpp.request));
  consent = await signIn(at, login, 'alice');
});
afterAll(() => tested.close());

const NAMES = [
  'client_id',
  'response_type',
  'redirect_uri',
  'scope',
  'state',
  'nonce',
  'response_mode',
  'prompt',
  'max_age',
  'acr_values',
  'login_hint',
  'id_token_hint',
  'code_challenge',
  'code_challenge_method',
  'dpop_jkt',
  'claims',
  'authorization_details',
  'request',
  'request_uri',
  'interaction_id',
  'csrf_token',
  'nonce',
  'digest',
  'verdict',
  'account.0',
  'username',
  'password',
  'step',
  '__proto__',
];
const VALUES = ['', 'x', '{}', '[]', 'null', '{"id_token":null}', '{"id_token":{"acr":{"values":[1]}}}', 'none', 'approved', CALLBACK];
const value = fc.oneof(fc.constantFrom(...VALUES), fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ maxLength: 5000 }));
const changes = fc.dictionary(fc.constantFrom(...NAMES), value, { maxKeys: 4, noNullPrototype: true });

/** Whatever is sent: no fault of ours; a refusal leaves no fact, and leads nowhere but to the client. */
const holds = async (send: () => Promise<{ status: number; goesTo?: string | null }>): Promise<void> => {
  const before = await tested.ports.store.head();
  const { status, goesTo = null } = await send();
  expect(status).toBeLessThan(500);
  if (goesTo !== null) expect(goesTo.startsWith(CALLBACK)).toBe(true);
  if (status >= 300) expect((await facts(tested, before)).map(({ type }) => type)).toEqual([]);
};

describe('whatever is sent', () => {
  const check = (send: (change: Record<string, string>) => Promise<{ status: number; goesTo?: string | null }>) =>
    fc.assert(
      fc.asyncProperty(changes, (change) => holds(() => send(change))),
      { numRuns: RUNS },
    );

  test('to the authorization endpoint', () => check((change) => browser(tested.url).get(authorizeUrl({ ...tpp.request, ...change }))));
  test('to the authorization endpoint as a form', () =>
    check((change) => browser(tested.url).post('/oauth2/authorize', { ...tpp.request, ...change })));
  test('to the PAR endpoint', () => check((change) => tested.post('/oauth2/par', { ...tpp.request, ...change, ...tpp.auth })));
  test('to the sign-in page', () =>
    check((change) => at.post('/oauth2/authorize/login', { ...fieldsOf(login), username: 'nobody', step: 'login', ...change })));
  test('to the consent page', () =>
    check((change) => at.post('/oauth2/authorize/consent', { ...fieldsOf(consent), verdict: 'approved', 'account.0': 'x', ...change })));
  test('to the token endpoint with a code', () =>
    check((change) => tpp.redeem(change['request'] ?? 'x', { code_verifier: change['state'] ?? '', redirect_uri: change['nonce'] ?? '' })));
});
