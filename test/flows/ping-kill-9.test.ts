import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { systemClock, systemIds } from '../../src/adapters/clock.ts';
import { sqliteEventReader, sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { accountsIn, askForEnrolment, enrol, type Phone } from '../../src/demo/phone.ts';
import { trustingFetch } from '../../src/demo/trusting-fetch.ts';
import { requestIdOf } from '../../src/domain/ciba-request/id.ts';
import { client, register } from '../../src/domain/client/decider.ts';
import { clientMetadata } from '../../src/domain/client/metadata.ts';
import { makeDecide } from '../../src/domain/decide.ts';
import { notificationEndpoint, silent, status } from '../support/notification-endpoint.ts';
import { freshEnvironment } from '../support/served.ts';
import { killServer, startServer } from '../support/server-process.ts';

const ROUNDS = 2;
const REQUESTS = 6;

let child: ChildProcess | null = null;
afterAll(() => void child?.kill('SIGKILL'));

describe('kill -9 between the answer of a PSU and the call to the client', () => {
  test.each(['ping', 'push'] as const)(
    'delivers what is owed in the mode %s after the start, from one token set',
    async (mode) => {
      const endpoint = await notificationEndpoint({ plain: true });
      const env = await freshEnvironment({ COUNTERSIGN_OUTBOUND_ALLOWED_HOSTS: new URL(endpoint.url).host });
      const dataDir = env['COUNTERSIGN_DATA_DIR'] as string;
      const issuer = `https://localhost:${env['COUNTERSIGN_SERVER_PORT']}`;
      await registerClient(dataDir, mode, endpoint.url);
      const auth = { client_id: mode, client_secret: 's3cret' };
      child = await startServer(env);
      const fetch = trustingFetch(readFileSync(join(dataDir, 'tls/ca.pem'), 'utf8'));
      const { psus } = JSON.parse(readFileSync(join(dataDir, 'sandbox/sandbox.json'), 'utf8'));
      const phone: Phone = await enrol(fetch, await askForEnrolment(fetch, issuer, psus[0]));
      const post = async (path: string, form: Record<string, string>) => {
        const headers = { 'content-type': 'application/x-www-form-urlencoded' };
        const response = await fetch(issuer + path, {
          method: 'POST',
          headers,
          body: new URLSearchParams({ ...auth, ...form }).toString(),
        });
        return { status: response.status, body: (await response.json()) as Record<string, string> };
      };

      for (let round = 0; round < ROUNDS; round += 1) {
        // Whoever is called before the kill never answers; all behind it are taken.
        endpoint.behaves(silent);
        const before = endpoint.calls.length;
        const asked = await Promise.all(
          Array.from({ length: REQUESTS }, async () => {
            const form = { scope: 'openid accounts', login_hint: 'alice', client_notification_token: 'a-token' };
            return String((await post('/oauth2/ciba', form)).body['auth_req_id']);
          }),
        );
        for (const authReqId of asked) {
          const shown = await phone.retrieve(requestIdOf(authReqId, systemIds));
          await phone.send(shown.request_id, await phone.sign(shown, 'approved', accountsIn(shown)));
        }
        await endpoint.call(before + 1);
        await killServer(child);
        endpoint.behaves(status(204));
        const called = endpoint.calls.length;
        child = await startServer(env);
        await endpoint.call(called + REQUESTS);
        for (const authReqId of asked) {
          const sent = endpoint.calls.slice(before).filter(({ body }) => body['auth_req_id'] === authReqId);
          expect(new Set(sent.map(({ text }) => text)).size).toBe(1);
          const grantType = 'urn:openid:params:grant-type:ciba';
          const tokens =
            mode === 'push' ? sent[0]?.body : (await post('/oauth2/token', { grant_type: grantType, auth_req_id: authReqId })).body;
          expect((await post('/oauth2/introspect', { token: String(tokens?.['access_token']) })).body['active']).toBe(true);
        }
      }
      await killServer(child);
      child = null;
      await endpoint.close();
      const log = sqliteEventReader(join(dataDir, 'log.sqlite'));
      const events = await log.readAll(0, 1_000_000);
      const types = events.map(({ type }) => type);
      await log.close();
      expect(types.filter((type) => type === 'GrantOpened')).toHaveLength(ROUNDS * REQUESTS);
      expect(types.filter((type) => type === 'ClientNotificationAccepted').length).toBeLessThanOrEqual(ROUNDS * REQUESTS);
      // A call that nobody lived to record makes the next one a repeat, and the log says so.
      const calls = Map.groupBy(endpoint.calls, ({ body }) => requestIdOf(String(body['auth_req_id']), systemIds));
      for (const [requestId, made] of calls) {
        const told = events.filter(({ stream }) => stream === `notification-${requestId}`);
        if (made.length > told.length) expect(told.map(({ data }) => JSON.parse(data).mayRepeat)).toContain(true);
      }
      expect([...calls.values()].some((made) => made.length > 1)).toBe(true);
    },
    120_000,
  );
});

/** Registers a client in the log of a server that does not run yet. */
const registerClient = async (dataDir: string, mode: 'ping' | 'push', endpoint: string): Promise<void> => {
  mkdirSync(dataDir, { recursive: true });
  const store = sqliteEventStore(join(dataDir, 'log.sqlite'));
  const decide = makeDecide({ store, sealer: psuKeys(':memory:', Buffer.alloc(32, 1)), ids: systemIds });
  const metadata = clientMetadata.parse({
    client_name: 'A TPP',
    profile: 'plain',
    token_endpoint_auth_method: 'client_secret_post',
    tls_client_certificate_bound_access_tokens: false,
    backchannel_token_delivery_mode: mode,
    // Development allows this one host over http; a registration at runtime would not take the URL.
    backchannel_client_notification_endpoint: endpoint.replace('http:', 'https:'),
  });
  const http = { ...metadata, backchannel_client_notification_endpoint: endpoint };
  const command = { id: systemIds.uuid(), actor: { kind: 'operator', id: 'test' } as const, correlationId: mode, causationId: null };
  await decide(client, mode, register(http, systemIds.hash('s3cret'), systemClock()), command);
  await store.close();
};
