import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../src/adapters/clock.ts';
import { CONSENT_SCOPES } from '../../src/api/consent-service/officer.ts';
import { CIBA_GRANT } from '../../src/domain/client/metadata.ts';
import { amend, consent, uploadFile, withdraw } from '../../src/domain/consent/decider.ts';
import { type TestDevice, testDevice } from '../support/device.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { ask, lodge, secretTpp } from '../support/tpp.ts';
import { asClient, call, lodgeAs, officer } from './support/officer.ts';

const ADMIN = '/api/openbanking/consent/admin';
const PORTAL = '/ob_consent/v1/admin';
const OPEN_REGISTRATION = {
  COUNTERSIGN_REGISTRATION_ENABLED: 'true',
  COUNTERSIGN_REGISTRATION_REQUIRE_SOFTWARE_STATEMENT: 'false',
  COUNTERSIGN_REGISTRATION_PROFILE: 'plain',
};

let tested: TestEngine;
let now = systemClock();
let all: Awaited<ReturnType<typeof officer>>;
let tpp: { client_id: string; client_secret: string };
let alice: TestDevice;
let bob: TestDevice;
beforeAll(async () => {
  tested = await testEngine({ clock: () => now });
  all = await officer(tested, 'consents:read_all');
  tpp = await secretTpp(tested, { scope: 'openid accounts consents:read_self' });
  alice = await testDevice(tested, 'alice');
  bob = await testDevice(tested, 'bob');
});
afterAll(() => tested.close());

const get = (path: string, headers: Record<string, string> = all.bearer) => call(tested, 'GET', path, headers);
const searched = async (query: string, headers?: Record<string, string>) => {
  const { status, body } = await get(`${ADMIN}/search?${query}`, headers);
  expect([status, body]).toEqual([200, expect.anything()]);
  return body as { data: Record<string, unknown>[]; metadata: { count: number; offset: number; limit: number; total: number } };
};
const idsIn = ({ data }: Awaited<ReturnType<typeof searched>>) => data.map(({ consentId }) => consentId);

/** A consent that a PSU was asked for, and answered. */
const answered = async (
  verdict: 'approved' | 'denied' = 'approved',
  { by = alice, hint = 'alice', consentId = '', scope = 'openid accounts' } = {},
) => {
  const id = consentId || (await lodge(tested, tpp));
  const { authReqId, requestId } = await ask(tested, tpp, { openbanking_intent_id: id, login_hint: hint, scope });
  await by.decide(requestId, verdict);
  await tested.engine.readModels.latest();
  return { consentId: id, authReqId, requestId };
};
const tokenOf = async (authReqId: string): Promise<Record<string, string>> => {
  const { body } = await tested.post('/oauth2/token', { ...tpp, grant_type: CIBA_GRANT, auth_req_id: authReqId });
  return { authorization: `Bearer ${body['access_token']}` };
};

describe('D3: GET /admin/search', () => {
  test('D3: a consent has every member, and what was chosen', async () => {
    const lodgedAt = now;
    const { consentId } = await answered();
    const found = await searched(`consentIDs=${consentId}`);
    expect(found.metadata).toEqual({ count: 1, offset: 0, limit: 25, total: 1 });
    const authorizationId = expect.any(String);
    const mapping = (accountId: string) => ({
      mappingId: expect.any(String),
      authorizationId,
      accountId,
      permission: 'n/a',
      mappingStatus: 'active',
    });
    expect(found.data).toEqual([
      {
        consentId,
        clientId: tpp.client_id,
        receipt: { Data: { Permissions: ['ReadBalances'] }, Risk: {} },
        consentType: 'accounts',
        currentStatus: 'authorised',
        consentFrequency: 0,
        validityPeriod: 0,
        createdTimestamp: lodgedAt,
        updatedTimestamp: lodgedAt,
        recurringIndicator: true,
        consentAttributes: {},
        authorizationResources: [
          {
            authorizationId,
            consentId,
            userId: 'psu-alice',
            authorizationStatus: 'authorised',
            authorizationType: 'authorisation',
            updatedTime: lodgedAt,
          },
        ],
        consentMappingResources: [mapping('psu-alice-1'), mapping('psu-alice-2')],
      },
    ]);
    expect(await searched(`consentIDs=${consentId}`)).toEqual(found);
  });

  test('D3: by each of the filters, and by all at once', async () => {
    const { consentId } = await answered();
    const rejected = await answered('denied');
    const ofBob = await answered('approved', { by: bob, hint: 'bob' });
    const other = await secretTpp(tested);
    const waiting = await lodgeAs(tested, other.client_id, {
      consentType: 'payments',
      content: { kind: 'payment', paymentType: 'domestic' },
    });
    const both = [consentId, rejected.consentId, ofBob.consentId, waiting].join(',');
    const within = async (query: string) => idsIn(await searched(`consentIDs=${both}&${query}`)).toSorted();
    expect(await within('')).toEqual(both.split(',').toSorted());
    expect(await within(`clientIDs=${other.client_id}`)).toEqual([waiting]);
    expect(await within('consentTypes=payments,vrp')).toEqual([waiting]);
    expect(await within('consentStatuses=rejected,awaitingAuthorisation')).toEqual([rejected.consentId, waiting].toSorted());
    expect(await within('userIDs=psu-bob')).toEqual([ofBob.consentId]);
    expect(await within('accountIDs=psu-bob-1&accountIDs=psu-bob-2')).toEqual([ofBob.consentId]);
    expect(await within('accountIDs=nobody')).toEqual([]);
    expect(await within(`fromTime=${now + 1}`)).toEqual([]);
    expect(await within(`fromTime=${now}&toTime=${now}`)).toHaveLength(4);
    expect(await within(`userIDs=psu-bob&accountIDs=psu-bob-1&consentStatuses=authorised&clientIDs=${tpp.client_id}`)).toEqual([
      ofBob.consentId,
    ]);
  });

  test('D3: by the status that is told, also where nobody has recorded yet that a consent is past its end', async () => {
    const ends = new Date((now + 50) * 1000).toISOString();
    const consentId = await lodge(tested, tpp, { ExpirationDateTime: ends });
    const { consentId: stays } = await answered();
    const found = async (...words: string[]) => {
      const { data } = await searched(`consentIDs=${consentId},${stays}&consentStatuses=${words}`);
      return data.map((one) => [one['consentId'], one['currentStatus']]).toSorted();
    };
    expect(await found('Expired')).toEqual([]);
    expect(await found('awaitingAuthorisation')).toEqual([[consentId, 'awaitingAuthorisation']]);
    now += 50;
    expect(await found('Expired')).toEqual([[consentId, 'Expired']]);
    expect(await found('awaitingAuthorisation')).toEqual([]);
    expect(await found('Expired', 'authorised')).toEqual(
      [
        [consentId, 'Expired'],
        [stays, 'authorised'],
      ].toSorted(),
    );
    expect(await found('authorised', 'awaitingAuthorisation')).toEqual([[stays, 'authorised']]);
  });

  test('D3: newest update first, in pages', async () => {
    const { client_id: clientId } = await secretTpp(tested);
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      now += 1;
      ids.unshift(await lodgeAs(tested, clientId));
    }
    expect(idsIn(await searched(`clientIDs=${clientId}`))).toEqual(ids);
    const second = await searched(`clientIDs=${clientId}&limit=2&offset=2&fetchFromRetentionDatabase=true`);
    expect([idsIn(second), second.metadata]).toEqual([ids.slice(2, 4), { count: 2, offset: 2, limit: 2, total: 5 }]);
  });

  test('D3: what was revoked has inactive accounts', async () => {
    const { consentId } = await answered();
    await call(tested, 'DELETE', `${ADMIN}/revoke?consentID=${consentId}`, all.bearer);
    const [found] = (await searched(`consentIDs=${consentId}`)).data;
    expect(found).toMatchObject({
      currentStatus: 'revoked',
      consentMappingResources: [{ mappingStatus: 'inactive' }, { mappingStatus: 'inactive' }],
    });
  });

  test('D3: several who must agree, each with a state of its own', async () => {
    const consentId = await lodgeAs(tested, tpp.client_id, { authorisers: ['psu-alice', 'psu-bob'], expiresAt: now + 1000 });
    const states = async () => {
      const [found] = (await searched(`consentIDs=${consentId}&userIDs=psu-bob`)).data;
      const resources = found?.['authorizationResources'] as { authorizationStatus: string; userId: string }[];
      return [found?.['currentStatus'], ...resources.map((one) => `${one.userId} ${one.authorizationStatus}`)];
    };
    expect(await states()).toEqual(['awaitingAuthorisation', 'psu-alice created', 'psu-bob created']);
    await answered('approved', { consentId });
    expect(await states()).toEqual(['awaitingFurtherAuthorisation', 'psu-alice authorised', 'psu-bob created']);
    await answered('denied', { consentId, by: bob, hint: 'bob' });
    expect(await states()).toEqual(['rejected', 'psu-alice authorised', 'psu-bob rejected']);
    const [found] = (await searched(`consentIDs=${consentId}`)).data;
    expect(found).toMatchObject({ validityPeriod: now + 1000, consentAttributes: { ExpirationDateTime: String(now + 1000) } });
  });

  test('D3: pages of 100 at most, as the metadata says', async () =>
    expect(await searched('limit=101&clientIDs=nobody')).toEqual({ data: [], metadata: { count: 0, offset: 0, limit: 100, total: 0 } }));

  test('D3: finds what was lodged a moment ago', async () => {
    for (let n = 0; n < 20; n += 1) {
      const consentId = await lodge(tested, tpp);
      expect(idsIn(await searched(`consentIDs=${consentId}`))).toEqual([consentId]);
    }
  });

  test('D3: a consent whose end has come is Expired, though nobody has recorded that yet', async () => {
    const consentId = await lodgeAs(tested, tpp.client_id, { expiresAt: now + 5 });
    now += 6;
    expect((await searched(`consentIDs=${consentId}`)).data).toMatchObject([{ currentStatus: 'Expired', updatedTimestamp: now - 1 }]);
  });

  test('D3: parameters that are none', async () => {
    for (const query of ['limit=0', 'limit=1.5', 'limit=x', 'offset=-1', 'fromTime=yesterday', `consentIDs=${'x'.repeat(9000)}`])
      expect(await get(`${ADMIN}/search?${query}`)).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  });
});

describe('D3: DELETE /admin/revoke', () => {
  const revoke = (query: string, headers: Record<string, string> = all.bearer) =>
    call(tested, 'DELETE', `${ADMIN}/revoke?${query}`, headers);

  test('D3: revokes, as an officer, and the tokens end', async () => {
    const { consentId, authReqId } = await answered();
    const token = await tokenOf(authReqId);
    expect(await revoke(`consentID=${consentId}&userID=psu-alice`)).toMatchObject({ status: 204 });
    const { body } = await tested.post('/oauth2/introspect', { ...tpp, token: String(token['authorization']?.slice(7)) });
    expect(body).toEqual({ active: false });
  });

  test('D3: 400 without an id, for one that is unknown, of another user, or not authorised', async () => {
    const waiting = await lodge(tested, tpp);
    const { consentId } = await answered();
    const queries = ['', 'consentID=', 'consentID=unknown', `consentID=${consentId}&userID=psu-bob`, `consentID=${waiting}`];
    for (const query of queries) expect(await revoke(query)).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    expect(await revoke(`consentID=${consentId}`)).toMatchObject({ status: 204 });
    expect(await revoke(`consentID=${consentId}`)).toMatchObject({ status: 400 });
  });

  test('D3: of several at once, one revokes', async () => {
    const { consentId } = await answered();
    const replies = await Promise.all([1, 2, 3].map(() => revoke(`consentID=${consentId}`)));
    expect(replies.map(({ status }) => status).toSorted()).toEqual([204, 400, 400]);
  });
});

describe('D3: GET /admin/search/consent-status-audit', () => {
  test('D3: every change from the first, with who made it', async () => {
    const { consentId } = await answered();
    await call(tested, 'DELETE', `${ADMIN}/revoke?consentID=${consentId}`, all.bearer);
    const { status, body } = await get(`${ADMIN}/search/consent-status-audit?consentIDs=${consentId}`);
    const change = (currentStatus: string, previousStatus: string | null, actionBy: string, reason: string) => ({
      ...{ statusAuditId: expect.stringMatching(/^[\da-f-]{36}$/), consentId, actionTime: now },
      ...{ currentStatus, previousStatus, actionBy, reason },
    });
    expect([status, body]).toEqual([
      200,
      {
        data: [
          change('revoked', 'authorised', all.clientId, 'revoked by an officer'),
          change('authorised', 'awaitingAuthorisation', 'psu-alice', 'authorised'),
          change('awaitingAuthorisation', null, tpp.client_id, 'lodged'),
        ],
        metadata: { count: 3, offset: 0, limit: 25, total: 3 },
      },
    ]);
    expect((await get(`${ADMIN}/search/consent-status-audit?consentIDs=${consentId}`)).body).toEqual(body);
    const first = await get(`${ADMIN}/search/consent-status-audit?limit=1`);
    expect(first.body).toMatchObject({ data: [{ consentId, currentStatus: 'revoked' }], metadata: { count: 1 } });
    const facts = (await tested.log()).filter(({ stream }) => stream.startsWith('consent-'));
    expect(first.body).toMatchObject({ metadata: { total: facts.length } });
  });

  test('D3: of more than 100 consents, too, for an officer and for a PSU', async () => {
    const { authReqId } = await answered('approved', { scope: 'openid accounts consents:read_self' });
    const self = await tokenOf(authReqId);
    const path = `${ADMIN}/search/consent-status-audit`;
    const { total: before } = (await get(path, self)).body['metadata'] as { total: number };
    const ids: string[] = [];
    for (let n = 0; n < 101; n += 1) ids.push(await lodgeAs(tested, tpp.client_id, { authorisers: ['psu-alice'] }));
    const named = `consentIDs=${ids.join()}`;
    for (const [query, headers, total] of [
      [named, all.bearer, 101],
      [named, self, 101],
      ['', self, 101 + before],
    ] as const) {
      const { body } = await get(`${path}?limit=2&offset=${total - 1}&${query}`, headers);
      expect(body).toMatchObject({ data: [{ previousStatus: null }], metadata: { count: 1, total } });
    }
  });
});

describe('D3: GET /admin/search/consent-file', () => {
  test('D3: the file, or 400', async () => {
    const content = { kind: 'payment' as const, paymentType: 'file' as const };
    const consentId = await lodgeAs(tested, tpp.client_id, { consentType: 'payments', content, awaitsUpload: true });
    expect(await get(`${ADMIN}/search/consent-file?consentId=${consentId}`)).toMatchObject({ status: 400 });
    const file = '<Document>ü</Document>';
    await tested.engine.decide(
      consent,
      consentId,
      uploadFile({ digest: 'digest', size: 23, at: now }, file),
      asClient(tpp.client_id, consentId),
    );
    expect(await get(`${ADMIN}/search/consent-file?consentId=${consentId}`)).toMatchObject({ status: 200, body: { consentFile: file } });
    expect(await get(`${ADMIN}/search/consent-file?consentId=unknown`)).toMatchObject({ status: 400 });
    expect(await get(`${ADMIN}/search/consent-file`)).toMatchObject({ status: 400 });
  });
});

describe('D3: fetchFromRetentionDatabase', () => {
  test('D3: changes nothing for the audit, the file and the search: what has ended is where it was', async () => {
    const content = { kind: 'payment' as const, paymentType: 'file' as const };
    const consentId = await lodgeAs(tested, tpp.client_id, { consentType: 'payments', content, awaitsUpload: true });
    const upload = uploadFile({ digest: 'digest', size: 4, at: now }, 'file');
    await tested.engine.decide(consent, consentId, upload, asClient(tpp.client_id, consentId));
    const { position } = await tested.engine.decide(
      consent,
      consentId,
      withdraw({ by: 'client', at: now }),
      asClient(tpp.client_id, consentId),
    );
    await tested.engine.readModels.reached(position);
    for (const path of [
      `search?consentIDs=${consentId}`,
      `search/consent-status-audit?consentIDs=${consentId}`,
      `search/consent-file?consentId=${consentId}`,
    ]) {
      const { status, body } = await get(`${ADMIN}/${path}`);
      expect([status, JSON.stringify(body)]).toEqual([200, expect.stringMatching(/revoked|"consentFile":"file"/)]);
      for (const value of ['true', 'false', ''])
        expect(await get(`${ADMIN}/${path}&fetchFromRetentionDatabase=${value}`)).toMatchObject({ status: 200, body });
    }
  });
});

describe('D3: GET /admin/consent-amendment-history', () => {
  test('D3: what the consent was before each amendment, and what it is', async () => {
    const { consentId, authReqId } = await answered();
    const path = `${ADMIN}/consent-amendment-history?consentId=${consentId}`;
    expect((await get(path)).body).toMatchObject({ consentAmendmentHistory: [], metadata: { amendmentCount: 0 } });
    const token = await tokenOf(authReqId);
    const terms = {
      content: {
        kind: 'account-access' as const,
        permissions: ['ReadPAN'],
        expirationDateTime: null,
        transactionFromDateTime: null,
        transactionToDateTime: null,
      },
      expiresAt: null,
      reason: 'more was wanted',
      at: now,
    };
    const receipt = { Data: { Permissions: ['ReadPAN'] }, Risk: {} };
    const amends = amend(terms, receipt, () => null);
    const { position } = await tested.engine.decide(consent, consentId, amends, asClient(tpp.client_id, consentId));
    await tested.engine.readModels.reached(position);
    expect((await get(path)).body).toMatchObject({
      consentID: consentId,
      currentConsent: { currentStatus: 'awaitingAuthorisation', receipt, consentMappingResources: [{ mappingStatus: 'inactive' }, {}] },
      consentAmendmentHistory: [
        {
          historyId: expect.any(String),
          amendedReason: 'more was wanted',
          amendedTime: now,
          consentData: {
            currentStatus: 'authorised',
            receipt: { Data: { Permissions: ['ReadBalances'] } },
            consentMappingResources: [{ mappingStatus: 'active' }, {}],
          },
        },
      ],
      metadata: { amendmentCount: 1 },
    });
    const introspected = await tested.post('/oauth2/introspect', { ...tpp, token: String(token['authorization']?.slice(7)) });
    expect(introspected.body).toEqual({ active: false });
    expect(await get(`${ADMIN}/consent-amendment-history?consentId=unknown`)).toMatchObject({ status: 400 });
  });

  test('D3: an amended consent stays with the PSU who had agreed to it', async () => {
    const { consentId } = await answered();
    const [before] = (await searched(`consentIDs=${consentId}`)).data;
    const data = { content: { kind: 'vrp' as const }, expiresAt: null, reason: 'other terms', at: now };
    const { position } = await tested.engine.decide(
      consent,
      consentId,
      amend(data, { Data: {}, Risk: {} }, () => null),
      asClient(tpp.client_id, consentId),
    );
    await tested.engine.readModels.reached(position);
    const [found] = (await searched(`consentIDs=${consentId}&userIDs=psu-alice`)).data;
    const [{ authorizationId } = {}] = (before?.['authorizationResources'] ?? []) as { authorizationId?: string }[];
    expect(found).toMatchObject({ authorizationResources: [{ authorizationId, userId: 'psu-alice', authorizationStatus: 'created' }] });
    const asked = { ...tpp, scope: 'openid accounts', openbanking_intent_id: consentId, login_hint: 'bob' };
    expect(await tested.post('/oauth2/ciba', asked)).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    await answered('denied', { consentId });
    expect((await searched(`consentIDs=${consentId}`)).data).toMatchObject([
      { currentStatus: 'rejected', authorizationResources: [{ userId: 'psu-alice', authorizationStatus: 'rejected' }] },
    ]);
  });
});

describe('D3: GET /admin/expire-consents, /admin/sync-temporary-retention-data', () => {
  test('D3: 204, and what is due has expired', async () => {
    const ids = await Promise.all([1, 2, 3].map(() => lodgeAs(tested, tpp.client_id, { expiresAt: now + 5 })));
    now += 5;
    expect(await get(`${ADMIN}/expire-consents`)).toMatchObject({ status: 204 });
    const { data } = await searched(`consentIDs=${ids.join()}&consentStatuses=Expired`);
    expect(data.map(({ currentStatus }) => currentStatus)).toEqual(['Expired', 'Expired', 'Expired']);
  });
  test('D3: 204, for there is nothing to move', async () => {
    const before = await tested.ports.store.head();
    expect(await get(`${ADMIN}/sync-temporary-retention-data`)).toMatchObject({ status: 204 });
    expect(await tested.ports.store.head()).toBe(before);
  });
});

describe('D3: who may', () => {
  test('D3: an officer by a token or by Basic, under both paths', async () => {
    const { consentId } = await answered();
    for (const base of [ADMIN, PORTAL])
      for (const headers of [all.bearer, all.basic])
        expect(await get(`${base}/search?consentIDs=${consentId}`, headers)).toMatchObject({
          status: 200,
          body: { data: [{ consentId }] },
        });
    expect(await call(tested, 'DELETE', `${PORTAL}/revoke?consentID=${consentId}`, all.basic)).toMatchObject({ status: 204 });
  });

  test('D3: nobody without the scope', async () => {
    const none = await officer(tested, 'accounts');
    for (const headers of [none.bearer, none.basic])
      expect(await get(`${ADMIN}/search`, headers)).toMatchObject({ status: 403, body: { error: 'insufficient_scope' } });
    expect(await get(`${ADMIN}/search`, {})).toMatchObject({ status: 401, body: { error: 'invalid_token' } });
    const wrong = { authorization: `Basic ${btoa(`${all.clientId}:wrong`)}` };
    expect(await get(`${ADMIN}/search`, wrong)).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
  });

  test('D3: a client cannot register itself for it', async () => {
    const open = await testEngine({}, OPEN_REGISTRATION);
    try {
      const registering = (scope: string) =>
        call(
          open,
          'POST',
          '/open-banking/0.1/register',
          { 'content-type': 'application/json' },
          JSON.stringify({ client_name: 'x', token_endpoint_auth_method: 'client_secret_basic', scope }),
        );
      expect(await registering('openid accounts')).toMatchObject({ status: 201, body: { scope: 'openid accounts' } });
      for (const scope of Object.values(CONSENT_SCOPES)) {
        const { body } = await registering(`openid ${scope}`);
        expect([scope, body['scope']]).toEqual([scope, 'openid']);
        const basic = { authorization: `Basic ${btoa(`${body['client_id']}:${body['client_secret']}`)}` };
        expect(await call(open, 'GET', `${ADMIN}/search`, basic)).toMatchObject({ status: 403, body: { error: 'insufficient_scope' } });
      }
    } finally {
      await open.close();
    }
  });

  test('D3: a PSU with consents:read_self sees their own, whatever the query says', async () => {
    const mine = await answered('approved', { scope: 'openid accounts consents:read_self' });
    const ofBob = await answered('approved', { by: bob, hint: 'bob' });
    const self = await tokenOf(mine.authReqId);
    for (const query of ['', 'userIDs=psu-bob', `consentIDs=${ofBob.consentId},${mine.consentId}`]) {
      const { data } = await searched(`${query}&limit=100`, self);
      expect(data.map(({ consentId }) => consentId)).toContain(mine.consentId);
      for (const one of data) expect(JSON.stringify(one)).toContain('psu-alice');
      expect(JSON.stringify(data)).not.toContain('psu-bob-');
      expect(data.map(({ consentId }) => consentId)).not.toContain(ofBob.consentId);
    }
    const audits = await get(`${ADMIN}/search/consent-status-audit?consentIDs=${ofBob.consentId}`, self);
    expect(audits).toMatchObject({ status: 200, body: { data: [], metadata: { total: 0 } } });
    for (const path of ['search/consent-file', 'consent-amendment-history'])
      expect(await get(`${ADMIN}/${path}?consentId=${ofBob.consentId}`, self)).toMatchObject({ status: 400 });
    expect(await call(tested, 'DELETE', `${ADMIN}/revoke?consentID=${ofBob.consentId}`, self)).toMatchObject({ status: 400 });
    expect(await get(`${ADMIN}/expire-consents`, self)).toMatchObject({ status: 403 });
    expect(await call(tested, 'DELETE', `${ADMIN}/revoke?consentID=${mine.consentId}`, self)).toMatchObject({ status: 204 });
    const audit = await get(`${ADMIN}/search/consent-status-audit?consentIDs=${mine.consentId}`);
    expect(audit.body).toMatchObject({ data: [{ actionBy: 'psu-alice', reason: 'revoked by the PSU' }, {}, {}] });
  });

  test('D3: a PSU with read_all is no officer, nor is a client with read_self', async () => {
    const both = await secretTpp(tested, { scope: 'openid accounts consents:read_all' });
    const { authReqId, requestId } = await ask(tested, both, { scope: 'openid accounts consents:read_all' });
    await alice.decide(requestId, 'approved');
    const { body } = await tested.post('/oauth2/token', { ...both, grant_type: CIBA_GRANT, auth_req_id: authReqId });
    expect(await get(`${ADMIN}/search`, { authorization: `Bearer ${body['access_token']}` })).toMatchObject({ status: 403 });
    const self = await officer(tested, 'consents:read_self');
    for (const headers of [self.bearer, self.basic]) expect(await get(`${ADMIN}/search`, headers)).toMatchObject({ status: 403 });
  });
});
