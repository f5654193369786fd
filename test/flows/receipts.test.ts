import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createLocalJWKSet, type JWTPayload, jwtVerify } from 'jose';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { accountsIn, type Phone } from '../../src/demo/phone.ts';
import { trustingFetch } from '../../src/demo/trusting-fetch.ts';
import { leafHash } from '../../src/evidence/leaf.ts';
import { parseVerifierKey } from '../../src/evidence/note-key.ts';
import { openProof } from '../../src/evidence/proof.ts';
import { testEngine } from '../support/engine.ts';
import { approve, type Fetch, type Person, parties, RECEIVER, type Receiver } from '../support/receipts.ts';
import { type Served, served } from '../support/served.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64url');

describe('a consent receipt', () => {
  let engine: Served;
  let fetch: Fetch;
  let issuer: string;
  let alice: Phone;
  let bob: Phone;
  let tpp: Receiver;
  let shown: string;
  let consentId: string;

  beforeAll(async () => {
    engine = await served({ COUNTERSIGN_EVIDENCE_CHECKPOINT_MS: '100' });
    ({ issuer } = engine.config);
    fetch = trustingFetch(readFileSync(engine.serving.caFile ?? '', 'utf8')) as Fetch;
    const { sandbox } = engine.serving;
    const at = parties(fetch, issuer);
    tpp = await at.tpp(await engine.client(RECEIVER, 'a secret'), 'a secret');
    const [one, other] = sandbox?.psus ?? [];
    [alice, bob] = [await at.phone(one as Person), await at.phone(other as Person)];
    consentId = await tpp.lodge();
    await tpp.ask(consentId, one?.username ?? '');
    expect((await tpp.receipt(consentId)).status).toBe(404);
    shown = await approve(alice);
  });
  afterAll(() => engine.serving.close());

  /** The claims, and the proof of what they are about: both verified as anybody can. */
  const verified = async (body: { receipt: string; tlog_proof?: string }, audience?: string) => {
    const jwks = createLocalJWKSet((await (await fetch(`${issuer}/oauth2/jwks`)).json()) as Parameters<typeof createLocalJWKSet>[0]);
    const { payload } = await jwtVerify(body.receipt, jwks, { typ: 'consent-receipt+jwt', issuer, ...(audience && { audience }) });
    const claims = payload as JWTPayload & { fact: { leaf: string; data: string }; shown_digest: string };
    const { leaf, data } = claims.fact;
    expect(JSON.parse(leaf)).toMatchObject({ st: `consent-${consentId}`, dh: sha256(data) });
    const log = parseVerifierKey((await (await fetch(`${issuer}/tlog/key`)).text()).trim());
    const proven = openProof(body.tlog_proof ?? '', leafHash(leaf), { log, witnesses: [], quorum: 0 });
    return { claims, proven, says: JSON.parse(data) as Record<string, unknown> };
  };

  test('of a TPP says who may do what, and is proved to stand in the log', async () => {
    const response = await tpp.receipt(consentId);
    const { claims, proven, says } = await verified((await response.json()) as { receipt: string }, tpp.clientId);
    expect(proven?.index).toBeGreaterThan(0);
    expect(claims).toMatchObject({
      consent_id: consentId,
      receipt_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      collection_method: 'answer signed by a registered device',
      pii_controllers: [{ party_role: 'ASPSP', party_url: issuer }],
      recipient_third_parties: [{ party_role: 'TPP', party_id: tpp.clientId, party_name: expect.any(String) }],
      purposes: [
        {
          purpose: 'account information',
          lawful_basis: 'consent',
          permissions: ['ReadAccountsDetail', 'ReadStandingOrdersBasic'],
          pii_categories: ['accounts', 'standing orders'],
        },
      ],
      consent_status: 'authorised',
      shown_digest: sha256(shown),
    });
    expect(says).toMatchObject({ digest: sha256(shown), psuId: claims['pii_principal_id'] });
    const [account] = claims['accounts'] as string[];
    expect([account?.length, /^\*+[^*]{1,4}$/.test(account ?? '')]).toEqual([accountsIn({ shown } as never)[0]?.length, true]);
    expect(JSON.stringify(claims)).not.toContain(accountsIn({ shown } as never)[0]);
  });

  test('of a PSU comes to a phone of theirs', async () => {
    const body = (await alice.call('GET', `/consents/${consentId}/receipt`)) as { receipt: string };
    const { claims, proven } = await verified(body);
    expect([claims.aud, proven === null]).toEqual([claims['pii_principal_id'], false]);
  });

  test('and its proof come alone where that is asked for', async () => {
    const jwt = await tpp.receipt(consentId, 'application/jwt');
    expect(jwt.headers.get('content-type')).toBe('application/jwt');
    const proof = await tpp.receipt(consentId, 'text/plain');
    expect(proof.headers.get('content-type')).toContain('text/plain');
    const { proven } = await verified({ receipt: await jwt.text(), tlog_proof: await proof.text() }, tpp.clientId);
    expect(proven).not.toBeNull();
  });

  test('is nobody else’s', async () => {
    const other = await parties(fetch, issuer).tpp(await engine.client(RECEIVER, 'of another'), 'of another');
    const refused = [await other.receipt(consentId), await tpp.receipt('there-is-none'), await other.receipt(consentId, 'text/plain')];
    expect(refused.map(({ status }) => status)).toEqual([404, 404, 404]);
    await expect(bob.call('GET', `/consents/${consentId}/receipt`)).rejects.toMatchObject({ status: 404 });
    const bare = await fetch(`${issuer}/receipts/v1/consents/${consentId}`);
    expect([bare.status, bare.headers.get('www-authenticate')]).toEqual([401, expect.stringContaining('invalid_token')]);
  });

  test('says of a consent that was taken back that it was', async () => {
    await alice.revokeConsent(consentId);
    const { claims, proven } = await verified((await (await tpp.receipt(consentId)).json()) as { receipt: string }, tpp.clientId);
    expect([claims['consent_status'], proven === null]).toEqual(['revoked', false]);
  });
});

describe('a consent receipt without an evidence log', () => {
  test('has no proof, and is gone with the keys of its PSU', async () => {
    const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
    const tested = await testEngine({ sealer });
    const at = parties(globalThis.fetch, tested.url);
    const tpp = await at.tpp(await tested.client({}, 's3cret'), 's3cret');
    const phone = await at.phone({ username: 'alice', password: 'alice' });
    const consentId = await tpp.lodge();
    await tpp.ask(consentId, 'alice');
    await approve(phone);
    expect(await (await tpp.receipt(consentId)).json()).toEqual({ receipt: expect.any(String) });
    expect((await tpp.receipt(consentId, 'text/plain')).status).toBe(404);
    await sealer.erase('psu-alice');
    expect((await tpp.receipt(consentId)).status).toBe(404);
    await tested.close();
  });
});
