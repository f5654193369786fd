import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { accountsIn, type Phone } from '../../src/demo/phone.ts';
import { answer, ask, type Form, inTurn, type Nodes, nodesOver, pollOf, type ServedNode, until, type Way } from '../support/nodes.ts';
import { temporaryFolder } from '../support/served.ts';
import { expectNoDoubt } from '../support/verified-log.ts';

// The short form runs in CI; `npm run campaign:nodes` sets a longer one.
const ROUNDS = Number(process.env['ROUNDS'] ?? 30);
const CALLS = 64;
const INITIAL = 'an-initial-access-token';

let nodes: Nodes;
let one: ServedNode;
let two: ServedNode;
let turn: Way;
let tpp: Form;
let phone: Phone;
beforeAll(async () => {
  const token = join(temporaryFolder(), 'token');
  writeFileSync(token, INITIAL);
  const settings = {
    COUNTERSIGN_CIBA_INTERVAL_SECONDS: '30',
    COUNTERSIGN_REGISTRATION_ENABLED: 'true',
    COUNTERSIGN_REGISTRATION_PROFILE: 'plain',
    COUNTERSIGN_REGISTRATION_REQUIRE_SOFTWARE_STATEMENT: 'false',
    COUNTERSIGN_REGISTRATION_REQUIRE_CERTIFICATE: 'false',
    COUNTERSIGN_REGISTRATION_INITIAL_ACCESS_TOKEN_FILE: token,
  };
  nodes = await nodesOver(settings, { nodes: 3 });
  [one, two] = await Promise.all([nodes.serve(), nodes.serve()]);
  turn = inTurn(nodes, [one, two]);
  tpp = await nodes.client();
  phone = await nodes.phone(turn.fetch);
});
afterAll(async () => {
  const log = await nodes.log();
  await nodes.close();
  expect([one, two].map(({ faults }) => faults)).toEqual([[], []]);
  expectNoDoubt(log, null);
});

const introspect = async (at: Way, token: string) => (await at.post('/oauth2/introspect', { ...tpp, token })).body.active;

describe('over two nodes', () => {
  test(`64 redemptions at once yield one token set, which stays active at both, ${ROUNDS} rounds`, async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const { authReqId, requestId } = await ask(turn, tpp);
      await answer(phone, requestId);
      const answers = await Promise.all(Array.from({ length: CALLS }, () => turn.post('/oauth2/token', pollOf(tpp, authReqId))));
      const winners = answers.filter(({ status }) => status === 200);
      expect(winners).toHaveLength(1);
      for (const { status, body } of answers) if (status !== 200) expect([status, body.error]).toEqual([400, 'invalid_grant']);
      const token = winners[0]?.body.access_token;
      expect([await introspect(one, token), await introspect(two, token)]).toEqual([true, true]);
    }
    const types = (await nodes.log()).map(({ type }) => type);
    for (const once of ['CibaRequestRedeemed', 'GrantOpened', 'AccessTokenIssued', 'RefreshTokenIssued'])
      expect(types.filter((type) => type === once)).toHaveLength(ROUNDS);
  }, 3_600_000);

  test('of two answers at once one counts, the other is refused, and both nodes say which', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const { authReqId, requestId } = await ask(turn, tpp);
      const shown = await phone.retrieve(requestId);
      const signed = await Promise.all([phone.sign(shown, 'approved', accountsIn(shown)), phone.sign(shown, 'denied', [])]);
      const sent = [one, two].map((at, n) => sendAnswer(at, requestId, signed[(n + round) % 2] as string));
      const statuses = (await Promise.all(sent)).map(({ status }) => status);
      expect(statuses.toSorted()).toEqual([200, 409]);
      const isApproved = statuses[round % 2] === 200;
      for (const at of round % 3 === 0 ? [one, two] : [two, one]) {
        const { status, body } = await at.post('/oauth2/token', pollOf(tpp, authReqId));
        if (!isApproved) expect([status, body.error]).toEqual([400, 'access_denied']);
        else if (status !== 200) expect([status, body.error]).toEqual([400, 'invalid_grant']);
      }
    }
  }, 3_600_000);

  test('the same answer at once is one answer', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const { requestId } = await ask(turn, tpp);
      const shown = await phone.retrieve(requestId);
      const signed = await phone.sign(shown, 'denied', []);
      const answers = await Promise.all([one, two, one, two].map((at) => sendAnswer(at, requestId, signed)));
      for (const { status, body } of answers) expect([status, body]).toEqual([200, answers[0]?.body]);
      const types = (await nodes.store.read(`cibaRequest-${requestId}`)).map(({ type }) => type);
      expect(types).toEqual(['CibaRequestReceived', 'ConsentRetrieved', 'CibaRequestDenied']);
    }
  }, 3_600_000);

  test('every step of a ceremony finds what the one before has left at the other', async () => {
    for (let round = 0; round < 10; round += 1) {
      const [first, second] = round % 2 === 0 ? [one, two] : [two, one];
      const { authReqId, requestId } = await ask(first, tpp);
      await answer(phone, requestId);
      const { status, body } = await (round % 3 === 0 ? one : two).post('/oauth2/token', pollOf(tpp, authReqId));
      expect([status, typeof body.access_token]).toEqual([200, 'string']);
      const renewed = await first.post('/oauth2/token', { ...tpp, grant_type: 'refresh_token', refresh_token: body.refresh_token });
      expect(renewed.status).toBe(200);
      expect(await introspect(second, renewed.body.access_token)).toBe(true);
    }
  }, 60_000);

  test('a consent that was taken back at one is worth nothing at the other within a second', async () => {
    for (let round = 0; round < 10; round += 1) {
      const { authReqId, requestId } = await ask(turn, tpp);
      await answer(phone, requestId);
      const { access_token: token } = (await turn.post('/oauth2/token', pollOf(tpp, authReqId))).body;
      const revoked = performance.now();
      await phone.revokeConsent(requestId);
      await until(async () => !(await introspect(one, token)));
      await until(async () => !(await introspect(two, token)));
      expect(performance.now() - revoked).toBeLessThan(1000);
    }
  });

  test('a client that is registered at one is known at the other, and ends there', async () => {
    const json = async (at: Way, method: string, path: string, token: string, body?: object) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      return at.fetch(nodes.issuer + path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
    };
    const metadata = {
      ...{ client_name: 'Comes and goes', token_endpoint_auth_method: 'client_secret_post', response_types: [] },
      grant_types: ['urn:openid:params:grant-type:ciba'],
    };
    for (let round = 0; round < 5; round += 1) {
      const [first, second] = round % 2 === 0 ? [one, two] : [two, one];
      const registered = await json(first, 'POST', '/open-banking/0.1/register', INITIAL, metadata);
      expect(registered.status).toBe(201);
      const { client_id, client_secret, registration_access_token: token } = (await registered.json()) as Record<string, string>;
      const own = { client_id: String(client_id), client_secret: String(client_secret) };
      await ask(second, own);
      expect((await json(second, 'DELETE', `/open-banking/0.1/register/${client_id}`, String(token))).status).toBe(204);
      await until(async () => (await first.post('/oauth2/ciba', own)).body.error === 'invalid_client');
    }
  });
});

const sendAnswer = async (at: Way, requestId: string, signed: string) => {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ answer: signed });
  const response = await at.fetch(`${nodes.issuer}/approver/v1/requests/${requestId}/answer`, { method: 'POST', headers, body });
  return { status: response.status, body: await response.json() };
};
