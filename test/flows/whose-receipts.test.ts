import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { accountsIn } from '../../src/demo/phone.ts';
import { CIBA_GRANT } from '../../src/domain/client/metadata.ts';
import type { ConsentContent } from '../../src/domain/consent/events.ts';
import { sendAnswer, type TestDevice, testDevice } from '../support/device.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { answered, type RedirectTpp, redirectTpp } from '../support/redirecting.ts';
import { ask, ownToken } from '../support/tpp.ts';
import { amendAs, lodgeAs } from '../wso2/support/officer.ts';

type Who = 'alice' | 'bob';
const SCOPE = 'openid accounts payments fundsconfirmations';

let tested: TestEngine;
let tpp: RedirectTpp;
let bearer: string;
let phones: Record<Who, TestDevice>;
beforeAll(async () => {
  tested = await testEngine();
  const grant_types = [CIBA_GRANT, 'authorization_code', 'client_credentials'];
  tpp = await redirectTpp(tested, { grant_types, scope: SCOPE });
  bearer = `Bearer ${await ownToken(tested, tpp.auth)}`;
  phones = { alice: await testDevice(tested, 'alice'), bob: await testDevice(tested, 'bob') };
});
afterAll(() => tested.close());

const claimsIn = async (response: Response) => {
  if (!response.ok) return response.status;
  const { receipt } = (await response.json()) as { receipt: string };
  const jwks = (await (await fetch(`${tested.url}/oauth2/jwks`)).json()) as JSONWebKeySet;
  return (await jwtVerify(receipt, createLocalJWKSet(jwks), { typ: 'consent-receipt+jwt', issuer: tested.url })).payload;
};
/** The claims of the receipt that the TPP has of a consent, or the status of the refusal. */
const ofTpp = async (consentId: string) =>
  claimsIn(await fetch(`${tested.url}/receipts/v1/consents/${consentId}`, { headers: { authorization: bearer } }));
/** Those of the receipt that a PSU has. */
const ofPsu = async (who: Who, consentId: string) => claimsIn(await phones[who].call('GET', `/consents/${consentId}/receipt`));
const all = async (consentId: string) => [await ofTpp(consentId), await ofPsu('alice', consentId), await ofPsu('bob', consentId)];

/** Asks a PSU over a consent, and gives what they approved on their phone. */
const agreed = async (who: Who, consentId: string) => {
  const { requestId } = await ask(tested, tpp.auth, { scope: SCOPE, openbanking_intent_id: consentId, login_hint: who });
  const shown = await phones[who].retrieve(requestId);
  const answer = await phones[who].answer(shown, 'approved', accountsIn(shown));
  expect((await sendAnswer(tested, requestId, answer)).status).toBe(200);
  return shown;
};
const by = (who: Who) => expect.objectContaining({ pii_principal_id: `psu-${who}` });
const JOINT = { authorisers: ['psu-alice', 'psu-bob'] };

describe('a receipt of a consent that several must agree to', () => {
  test('is each PSU’s of what they have agreed to, and the TPP’s once all have', async () => {
    const consentId = await lodgeAs(tested, tpp.auth.client_id, JOINT);
    expect(await all(consentId)).toEqual([404, 404, 404]);
    const { digest } = await agreed('alice', consentId);
    expect(await all(consentId)).toEqual([404, by('alice'), 404]);
    expect(await ofPsu('alice', consentId)).toMatchObject({ consent_status: 'awaitingFurtherAuthorisation', shown_digest: digest });
    const ofBob = await agreed('bob', consentId);
    expect(await all(consentId)).toEqual([by('bob'), by('alice'), by('bob')]);
    expect(await ofTpp(consentId)).toMatchObject({ consent_status: 'authorised', shown_digest: ofBob.digest });
  });

  test('is nobody’s after an amendment: each PSU’s and the TPP’s once they, and all, have agreed anew', async () => {
    const consentId = await lodgeAs(tested, tpp.auth.client_id, JOINT);
    const { digest } = await agreed('alice', consentId);
    await agreed('bob', consentId);
    await amendAs(tested, tpp.auth.client_id, consentId);
    expect(await all(consentId)).toEqual([404, 404, 404]);
    const again = await agreed('alice', consentId);
    expect(await all(consentId)).toEqual([404, by('alice'), 404]);
    await agreed('bob', consentId);
    expect(await all(consentId)).toEqual([by('bob'), by('alice'), by('bob')]);
    expect([again.digest === digest, await ofPsu('alice', consentId)]).toEqual([
      false,
      expect.objectContaining({ shown_digest: again.digest }),
    ]);
  });
});

test('a receipt of an answer that was given in a browser says so, and is the PSU’s as well', async () => {
  const consentId = await lodgeAs(tested, tpp.auth.client_id);
  const claims = JSON.stringify({ id_token: { openbanking_intent_id: { value: consentId, essential: true } } });
  expect((await answered(tested, { ...tpp.request, claims })).goesTo).toContain('code=');
  const inSession = { collection_method: 'answered in a session in which the PSU had signed in', pii_principal_id: 'psu-alice' };
  expect(await ofTpp(consentId)).toMatchObject({ ...inSession, aud: tpp.auth.client_id });
  expect(await ofPsu('alice', consentId)).toMatchObject({ ...inSession, aud: 'psu-alice' });
});

describe('a receipt names the purpose of', () => {
  const lodged: [string, ConsentContent, object][] = [
    [
      'a payment',
      { kind: 'payment', paymentType: 'domestic-standing-order' },
      { purpose: 'payment initiation: domestic-standing-order', permissions: [], pii_categories: ['payment order'] },
    ],
    [
      'variable recurring payments',
      { kind: 'vrp' },
      { purpose: 'variable recurring payments', permissions: [], pii_categories: ['payment orders'] },
    ],
    [
      'a confirmation of funds',
      { kind: 'funds-confirmation' },
      { purpose: 'confirmation of funds', permissions: [], pii_categories: ['availability of funds'] },
    ],
  ];
  const TYPES = { payment: 'payments', vrp: 'vrp', 'funds-confirmation': 'fundsconfirmations' } as const;

  test.each(lodged)('%s', async (_, content, purpose) => {
    const consentType = TYPES[content.kind as keyof typeof TYPES];
    const consentId = await lodgeAs(tested, tpp.auth.client_id, { content, consentType }, { Data: { Initiation: {} }, Risk: {} });
    await agreed('alice', consentId);
    expect(await ofTpp(consentId)).toMatchObject({ consent_id: consentId, purposes: [{ lawful_basis: 'consent', ...purpose }] });
  });

  test('a request that brought its own consent', async () => {
    const { requestId } = await ask(tested, tpp.auth);
    expect(await ofTpp(requestId)).toBe(404);
    await phones.alice.decide(requestId, 'approved');
    expect(await ofTpp(requestId)).toMatchObject({
      purposes: [{ lawful_basis: 'consent', purpose: 'what the scopes name', permissions: ['openid', 'accounts'], pii_categories: [] }],
    });
  });
});
