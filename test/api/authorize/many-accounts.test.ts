import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { answerIn, boxesOf, browser, decide, signIn } from '../../support/browser.ts';
import { people, type TestEngine, testEngine } from '../../support/engine.ts';
import { authorizeUrl, type RedirectTpp, redirectTpp } from '../../support/redirecting.ts';

const ACCOUNTS = Array.from({ length: 300 }, (_, index) => ({ accountId: `account-${index}`, displayName: `Account ${index}` }));

let tested: TestEngine;
let tpp: RedirectTpp;
beforeAll(async () => {
  tested = await testEngine({ directory: { ...people, accounts: async () => ACCOUNTS } });
  tpp = await redirectTpp(tested);
});
afterAll(() => tested.close());

test('a PSU approves 300 accounts at once', async () => {
  const at = browser(tested.url);
  const page = await signIn(at, await at.get(authorizeUrl(tpp.request)), 'alice');
  expect(boxesOf(page)).toHaveLength(300);
  const { code = '' } = answerIn((await decide(at, page, 'approved')).goesTo);
  expect((await tpp.redeem(code)).status).toBe(200);
});

test('more parameters than a page can hold are refused', async () => {
  const at = browser(tested.url);
  const page = await signIn(at, await at.get(authorizeUrl(tpp.request)), 'alice');
  const more = Object.fromEntries(Array.from({ length: 1600 }, (_, index) => [`account.${index}`, `account-${index}`]));
  const refused = await at.submit(page, { verdict: 'approved', ...more });
  expect([refused.status, refused.goesTo]).toEqual([400, null]);
  expect((await decide(at, page, 'approved')).goesTo).toMatch(tpp.request['redirect_uri'] ?? '');
});
