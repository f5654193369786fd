import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { accountsIn, askForEnrolment, enrol } from '../../src/demo/phone.ts';
import { CIBA_GRANT } from '../../src/domain/client/metadata.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';

let tested: TestEngine;
beforeAll(async () => {
  tested = await testEngine();
});
afterAll(() => tested.close());

describe('a ceremony', () => {
  test('goes from the consent of a TPP to its tokens, and revoking ends them', async () => {
    const { url, post } = tested;
    const auth = { client_id: await tested.client({}, 's3cret'), client_secret: 's3cret' };
    const own = await post('/oauth2/token', { ...auth, grant_type: 'client_credentials', scope: 'accounts' });
    expect(own.body).toMatchObject({ token_type: 'Bearer', scope: 'accounts' });

    const lodged = await fetch(`${url}/open-banking/v3.1/aisp/account-access-consents`, {
      method: 'POST',
      headers: { authorization: `Bearer ${own.body['access_token']}`, 'content-type': 'application/json' },
      body: JSON.stringify({ Data: { Permissions: ['ReadAccountsDetail', 'ReadBalances'] }, Risk: {} }),
    });
    const consent = (await lodged.json()) as { Data: { ConsentId: string; Status: string } };
    expect([lodged.status, consent.Data.Status]).toEqual([201, 'AwaitingAuthorisation']);
    const consentId = consent.Data.ConsentId;

    const phone = await enrol(fetch, await askForEnrolment(fetch, url, { username: 'alice', password: 'alice' }), { pushToken: 'push-1' });
    const asked = await post('/oauth2/ciba', {
      ...auth,
      scope: 'openid accounts',
      login_hint: 'alice',
      binding_message: 'W4SCT',
      openbanking_intent_id: consentId,
    });
    expect(asked.body).toMatchObject({ expires_in: 300, interval: 5 });
    const poll = () => post('/oauth2/token', { ...auth, grant_type: CIBA_GRANT, auth_req_id: String(asked.body['auth_req_id']) });
    expect((await poll()).body['error']).toBe('authorization_pending');

    const [waiting] = await phone.requests();
    expect(waiting).toMatchObject({ client_name: 'A TPP', binding_message: 'W4SCT' });
    const shown = await phone.retrieve(String(waiting?.request_id));
    expect(JSON.parse(shown.shown)).toMatchObject({
      consent: { consent_id: consentId, permissions: ['ReadAccountsDetail', 'ReadBalances'] },
    });
    const answer = await phone.sign(shown, 'approved', accountsIn(shown).slice(0, 1));
    expect(await phone.send(shown.request_id, answer)).toMatchObject({ status: 'approved' });

    const tokens = await poll();
    expect(tokens.status).toBe(200);
    expect(await poll()).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    const introspect = async () => (await post('/oauth2/introspect', { ...auth, token: String(tokens.body['access_token']) })).body;
    expect(await introspect()).toMatchObject({ active: true, consent_id: consentId, scope: 'openid accounts' });
    const refreshed = await post('/oauth2/token', {
      ...auth,
      grant_type: 'refresh_token',
      refresh_token: String(tokens.body['refresh_token']),
    });
    expect(refreshed.status).toBe(200);

    expect(await phone.consents()).toMatchObject([{ consent_id: consentId, status: 'authorised', account_ids: ['psu-alice-1'] }]);
    await phone.revokeConsent(consentId);
    expect(await introspect()).toEqual({ active: false });

    const types = (await tested.log()).filter((event) => !/^(client|signingKey)-/.test(event.stream)).map((event) => event.type);
    expect(types.slice(0, 9)).toEqual([
      'GrantOpened',
      'AccessTokenIssued',
      'ConsentLodged',
      'AuthenticationSucceeded',
      'DeviceEnrolmentOffered',
      'DeviceRegistered',
      'CibaRequestReceived',
      'DevicePushAccepted',
      'ConsentRetrieved',
    ]);
  });
});
