import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock, systemIds } from '../../src/adapters/clock.ts';
import { accountsIn, type Phone } from '../../src/demo/phone.ts';
import { requestIdOf } from '../../src/domain/ciba-request/id.ts';
import { dpopProof } from '../support/dpop.ts';
import { signJws, testKey } from '../support/jws.ts';
import { type NotificationEndpoint, notificationEndpoint } from '../support/notification-endpoint.ts';
import { temporaryFolder } from '../support/served.ts';
import { answer, ask, type Connection, type Engine, environmentWith, inTurn, pollOf, secretOf, startEngine, until } from './support.ts';

const CONNECTIONS = 12;
const REDEMPTIONS = 64;
const ROUNDS = 15;
const INITIAL = 'an-initial-access-token';
const TPP = secretOf('tpp');

const key = testKey('ES256');
const [fulfilled, rejected] = ['fulfilled', 'rejected'] as const;

describe.each([2, 3])('with %d workers', (workers) => {
  let engine: Engine;
  let endpoint: NotificationEndpoint;
  let connections: Connection[] = [];
  let phone: Phone;
  let turn: ReturnType<typeof inTurn>;
  let env: Record<string, string>;

  beforeAll(async () => {
    endpoint = await notificationEndpoint({ plain: true });
    const token = join(temporaryFolder(), 'token');
    writeFileSync(token, INITIAL);
    env = await environmentWith(
      {
        tpp: {},
        dpop: { dpop_bound_access_tokens: true },
        jwt: { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [key.publicJwk] } },
        ping: { backchannel_token_delivery_mode: 'ping', backchannel_client_notification_endpoint: endpoint.url },
      },
      {
        COUNTERSIGN_CIBA_INTERVAL_SECONDS: '30',
        COUNTERSIGN_OUTBOUND_ALLOWED_HOSTS: new URL(endpoint.url).host,
        COUNTERSIGN_REGISTRATION_ENABLED: 'true',
        COUNTERSIGN_REGISTRATION_PROFILE: 'plain',
        COUNTERSIGN_REGISTRATION_REQUIRE_SOFTWARE_STATEMENT: 'false',
        COUNTERSIGN_REGISTRATION_INITIAL_ACCESS_TOKEN_FILE: token,
        COUNTERSIGN_REGISTRATION_PER_MINUTE: '10000',
      },
    );
    await start();
    turn = inTurn(connections);
    phone = await engine.enrol(turn.fetch);
  }, 60_000);
  afterAll(async () => {
    await kill();
    await endpoint?.close();
  });

  const start = async () => {
    engine = await startEngine(workers, env);
    connections = await engine.connections(CONNECTIONS);
  };
  const kill = async () => {
    for (const one of connections) await one.close();
    engine?.process.kill('SIGKILL');
    await engine?.ended;
  };

  /** The same call over every connection at once. */
  const overAll = (path: string, form: Record<string, string>) => Promise.all(connections.map(({ post }) => post(path, form)));
  const newProof = () => dpopProof({ url: engine.issuer, ports: { clock: systemClock } }, key, '/oauth2/token');
  const callsWithProof = (over: readonly Connection[], DPoP: string) =>
    Promise.all(over.map(({ post }) => post('/oauth2/token', { ...secretOf('dpop'), grant_type: 'client_credentials' }, { DPoP })));
  const introspect = (at: Connection, token: string) => at.post('/oauth2/introspect', { ...TPP, token });

  test('64 redemptions at once yield one token set, which stays active everywhere', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const authReqId = await ask(turn, TPP);
      await answer(phone, authReqId);
      const calls = Array.from({ length: REDEMPTIONS }, () => turn.post('/oauth2/token', pollOf(TPP, authReqId)));
      const answers = await Promise.all(calls);
      const winners = answers.filter(({ status }) => status === 200);
      expect(winners).toHaveLength(1);
      for (const { status, body } of answers) if (status !== 200) expect([status, body['error']]).toEqual([400, 'invalid_grant']);
      const seen = await overAll('/oauth2/introspect', { ...TPP, token: String(winners[0]?.body['access_token']) });
      expect(seen.map(({ body }) => body['active'])).toEqual(connections.map(() => true));
    }
    const types = (await engine.log()).map(({ type }) => type);
    for (const once of ['CibaRequestRedeemed', 'GrantOpened', 'AccessTokenIssued', 'RefreshTokenIssued'])
      expect(types.filter((type) => type === once)).toHaveLength(ROUNDS);
  }, 120_000);

  test('a client assertion is used once', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const at = Math.floor(Date.now() / 1000);
      const claims = { iss: 'jwt', sub: 'jwt', aud: engine.issuer, jti: randomUUID(), iat: at, exp: at + 60 };
      const form = {
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: await signJws(key, claims),
        token: 'no token',
      };
      const statuses = (await overAll('/oauth2/introspect', form)).map(({ status }) => status).sort();
      expect(statuses).toEqual([200, ...connections.slice(1).map(() => 401)]);
    }
  }, 60_000);

  test('a DPoP proof is used once', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const calls = await callsWithProof(connections, await newProof());
      expect(calls.filter(({ status }) => status === 200)).toHaveLength(1);
      for (const { status, body } of calls) if (status !== 200) expect([status, body['error']]).toEqual([400, 'invalid_dpop_proof']);
    }
  }, 60_000);

  test('a proof of a device is used once', async () => {
    const jti = randomUUID();
    const calls = await Promise.allSettled(connections.map(() => phone.call('GET', '/requests', undefined, { jti })));
    expect(calls.filter(({ status }) => status === fulfilled)).toHaveLength(1);
  });

  test('of two answers at once one counts, and everybody learns which', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const authReqId = await ask(turn, TPP);
      const shown = await phone.retrieve(requestIdOf(authReqId, systemIds));
      const [yes, no] = [await phone.sign(shown, 'approved', accountsIn(shown)), await phone.sign(shown, 'denied', [])];
      const outcomes = await Promise.allSettled([yes, no, yes, no].map((signed) => phone.send(shown.request_id, signed)));
      const approved = outcomes.map(({ status }) => status);
      // The same answer again is the same answer.
      expect([
        [fulfilled, rejected, fulfilled, rejected],
        [rejected, fulfilled, rejected, fulfilled],
      ]).toContainEqual(approved);
      const { status, body } = await turn.post('/oauth2/token', pollOf(TPP, authReqId));
      expect([status, body['error']]).toEqual(approved[0] === fulfilled ? [200, undefined] : [400, 'access_denied']);
    }
  }, 60_000);

  test('the pace of polls is kept, whoever is asked', async () => {
    const authReqId = await ask(turn, TPP);
    const polls: unknown[] = [];
    for (const { post } of connections) polls.push((await post('/oauth2/token', pollOf(TPP, authReqId))).body['error']);
    expect(polls).toEqual(['authorization_pending', ...connections.slice(1).map(() => 'slow_down')]);
  });

  test('a poll that waits is woken by an answer that came in elsewhere', async () => {
    const own = await engine.connections(CONNECTIONS);
    const waiting = await Promise.all(
      own.map(async ({ post }) => {
        const authReqId = await ask(turn, TPP);
        const tokens = post('/oauth2/token', pollOf(TPP, authReqId), { prefer: 'wait=25' });
        return { authReqId, tokens };
      }),
    );
    const began = performance.now();
    for (const { authReqId } of waiting) await answer(phone, authReqId);
    for (const { tokens } of waiting) expect((await tokens).status).toBe(200);
    expect(performance.now() - began).toBeLessThan(20_000);
    for (const one of own) await one.close();
  }, 60_000);

  test('a client is told of an outcome once', async () => {
    const tpp = secretOf('ping');
    const asked = await Promise.all(connections.map(() => ask(turn, tpp, { client_notification_token: 'a-token' })));
    await Promise.all(asked.map((authReqId) => answer(phone, authReqId)));
    const told = async () => (await engine.log()).filter(({ type }) => type === 'ClientNotificationAccepted').length;
    await until(async () => (await told()) === asked.length);
    expect(endpoint.calls.map(({ body }) => body['auth_req_id']).sort()).toEqual([...asked].sort());
    const tokens = await Promise.all(asked.map((authReqId) => turn.post('/oauth2/token', pollOf(tpp, authReqId))));
    expect(tokens.map(({ status }) => status)).toEqual(asked.map(() => 200));
  }, 60_000);

  test('a consent that was taken back is worth nothing anywhere from then on', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const authReqId = await ask(turn, TPP);
      await answer(phone, authReqId);
      const { body } = await turn.post('/oauth2/token', pollOf(TPP, authReqId));
      await phone.revokeConsent(String(body['consent_id'] ?? requestIdOf(authReqId, systemIds)));
      const seen = await overAll('/oauth2/introspect', { ...TPP, token: String(body['access_token']) });
      expect(seen.map(({ body }) => body['active'])).toEqual(connections.map(() => false));
    }
  }, 60_000);

  test('what one has recorded, another knows at once: a client, its changes, its end', async () => {
    const json = (at: Connection, method: string, path: string, token: string, body?: object) =>
      at.fetch(engine.issuer + path, {
        method,
        headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
    const members = { client_name: 'Comes and goes', token_endpoint_auth_method: 'client_secret_post', response_types: [] };
    const ciba = { ...members, grant_types: ['urn:openid:params:grant-type:ciba'] };
    for (let round = 0; round < ROUNDS; round += 1) {
      const [one, other, third] = [0, 1, 2].map((n) => connections[(round + n) % connections.length]) as [
        Connection,
        Connection,
        Connection,
      ];
      const registered = await json(one, 'POST', '/open-banking/0.1/register', INITIAL, ciba);
      expect(registered.status).toBe(201);
      const { client_id, client_secret, registration_access_token: token } = (await registered.json()) as Record<string, string>;
      const tpp = { client_id: String(client_id), client_secret: String(client_secret) };
      await ask(other, tpp);
      await ask(third, tpp);
      const path = `/open-banking/0.1/register/${client_id}`;
      const changed = await json(other, 'PUT', path, String(token), { ...ciba, client_name: `Changed ${round}` });
      expect(changed.status).toBe(200);
      const authReqId = await ask(third, tpp);
      expect((await phone.retrieve(requestIdOf(authReqId, systemIds))).shown).toContain(`Changed ${round}`);
      expect((await json(third, 'DELETE', path, String(token))).status).toBe(204);
      const after = await Promise.all(connections.map((at) => introspect(at, 'x').then(() => at.post('/oauth2/ciba', tpp))));
      expect(after.map(({ body }) => body['error'])).toEqual(connections.map(() => 'invalid_client'));
    }
  }, 120_000);

  test('a DPoP proof that was used before they were killed is refused after they have started again', async () => {
    const proof = await newProof();
    expect((await callsWithProof(connections.slice(0, 1), proof)).map(({ status }) => status)).toEqual([200]);
    await kill();
    await start();
    const calls = await callsWithProof(connections, proof);
    expect(calls.map(({ body }) => body['error'])).toEqual(connections.map(() => 'invalid_dpop_proof'));
  }, 60_000);
});
