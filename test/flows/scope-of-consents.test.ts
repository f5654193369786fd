import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { answerIn, browser } from '../support/browser.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { expectRefusal, sendForm, sendJson } from '../support/http.ts';
import { authorizeUrl, type RedirectTpp, redirecting, redirectTpp } from '../support/redirecting.ts';
import { fundsConfirmation, PAYMENTS, vrp } from '../wso2/support/intents.ts';

let tested: TestEngine;
let tpp: RedirectTpp;

beforeAll(async () => {
  tested = await testEngine();
  const grant_types = [...redirecting.grant_types, 'urn:openid:params:grant-type:ciba'];
  tpp = await redirectTpp(tested, { scope: 'openid accounts payments fundsconfirmations', grant_types });
});
afterAll(() => tested.close());

const lodged = async (path: string, scope: string, body: object): Promise<string> => {
  const form = { ...tpp.auth, grant_type: 'client_credentials', scope };
  const headers = {
    authorization: `Bearer ${(await tested.post('/oauth2/token', form)).body['access_token']}`,
    'x-idempotency-key': path.slice(-40),
  };
  const response = await sendJson(tested, 'POST', `/open-banking/v3.1/${path}`, body, headers);
  const { Data } = (await response.json()) as { Data: { ConsentId: string } };
  return Data.ConsentId;
};

describe('a request that names a consent asks for the scope of its type', () => {
  test.each([
    ['pisp/domestic-payment-consents', 'payments', PAYMENTS['domestic-payment-consents'] as object],
    ['pisp/domestic-vrp-consents', 'payments', vrp()],
    ['cbpii/funds-confirmation-consents', 'fundsconfirmations', fundsConfirmation()],
  ])('%s: %s', async (path, scope, body) => {
    const consentId = await lodged(path, scope, body);
    const claims = JSON.stringify({ id_token: { openbanking_intent_id: { value: consentId, essential: true } } });

    const asks = (asked: string) =>
      sendForm(tested, '/oauth2/ciba', { ...tpp.auth, login_hint: 'alice', scope: `openid ${asked}`, claims });
    await expectRefusal(tested, () => asks('accounts'), 400, 'invalid_scope');
    expect((await asks(scope)).status).toBe(200);

    const visits = (asked: string) => browser(tested.url).get(authorizeUrl({ ...tpp.request, scope: `openid ${asked}`, claims }));
    expect(answerIn((await visits('accounts')).goesTo)).toMatchObject({ error: 'invalid_scope', state: 'a-state' });
    expect((await visits(scope)).heading).toBe('Sign in');
  });
});
