import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { sendForm } from '../support/http.ts';
import { certificate, type SigningTpp, withCertificate } from '../support/tpp.ts';
import { claimsOf, REFERENCE, referenceTpp, refused } from './support/tpp.ts';

let tested: TestEngine;
let tpp: SigningTpp;

beforeAll(async () => {
  tested = await testEngine();
  tpp = await referenceTpp(tested);
});
afterAll(() => tested.close());

const ask = async (parameters: Record<string, string>, headers = {}) =>
  sendForm(tested, '/oauth2/token', { ...(await tpp.authentication()), grant_type: 'client_credentials', ...parameters }, headers);

test.each(['accounts openid', 'payments', 'payments openid', 'fundsconfirmations', 'accounts payments fundsconfirmations'])(
  'B2: a token for %s',
  async (scope) => {
    const response = await ask({ scope });
    const body = (await response.json()) as Record<string, string>;
    expect([response.status, body]).toEqual([200, { access_token: expect.any(String), scope, token_type: 'Bearer', expires_in: 3600 }]);
    expect(claimsOf(String(body['access_token']))).toMatchObject({ sub: tpp.clientId, client_id: tpp.clientId, scope });
  },
);

test('B2: a client of mTLS gets a token that is bound to its certificate', async () => {
  const clientId = await tested.client({
    ...REFERENCE,
    token_endpoint_auth_method: 'tls_client_auth',
    tls_client_auth_subject_dn: 'CN=tpp',
    tls_client_certificate_bound_access_tokens: true,
  });
  const shown = withCertificate(certificate());
  const form = { client_id: clientId, grant_type: 'client_credentials', scope: 'accounts openid' };
  const response = await sendForm(tested, '/oauth2/token', form, shown);
  const { access_token: token } = (await response.json()) as { access_token: string };
  expect(claimsOf(token)).toMatchObject({ cnf: { 'x5t#S256': certificate().thumbprint } });
  await refused(sendForm(tested, '/oauth2/token', form), 401, 'invalid_client');
});

test('B2: a scope that the client is not registered for', async () => {
  const narrow = await referenceTpp(tested, { scope: 'openid accounts' });
  const form = { ...(await narrow.authentication()), grant_type: 'client_credentials', scope: 'payments' };
  await refused(sendForm(tested, '/oauth2/token', form), 400, 'invalid_scope');
  await refused(ask({ scope: 'admin' }), 400, 'invalid_scope');
});

test('B2: a client that does not prove who it is', () =>
  refused(
    sendForm(tested, '/oauth2/token', { client_id: tpp.clientId, grant_type: 'client_credentials', scope: 'accounts' }),
    401,
    'invalid_client',
  ));
