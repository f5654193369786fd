import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { explain } from '../../src/cli/explain.ts';
import { type Config, loadConfig } from '../../src/config.ts';
import { requestIdOf } from '../../src/domain/ciba-request/id.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import { writeHistory } from '../support/history.ts';
import { freshEnvironment, temporaryFolder } from '../support/served.ts';
import { showInSession } from '../support/session-steps.ts';
import { steps } from '../support/steps.ts';

const AUTH_REQ_ID = 'AbCdEfGh-a-secret-that-nobody-else-knows';

let config: Config;
let log: readonly StoredEvent[];

beforeAll(async () => {
  ({ config } = loadConfig({ env: await freshEnvironment(), cwd: temporaryFolder() }));
  const store = sqliteEventStore(join(config.dataDir, 'log.sqlite'));
  const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
  await writeHistory(store, { ceremonies: 20, seed: 5, sealer });
  const ports = { store, sealer, clock: () => 1_760_000_000, ids: systemIds };
  const does = steps(ports);
  await does.registerClient('tpp');
  await does.ask(requestIdOf(AUTH_REQ_ID, systemIds), { clientId: 'tpp', psuId: 'alice', consentId: null, deliveryMode: 'ping' });
  await showInSession(ports, requestIdOf(AUTH_REQ_ID, systemIds), 'session');
  log = await store.readAll(0, 1_000_000);
  await store.close();
});

const explained = async (named: string): Promise<string[]> => {
  const lines: string[] = [];
  await explain(config, named, (line) => void lines.push(line));
  return lines;
};

describe('countersign explain', () => {
  test('tells all of each request and its consent, and nothing of another one', async () => {
    const types = new Set<string>();
    for (const received of log.filter(({ type }) => type === 'CibaRequestReceived')) {
      const requestId = received.stream.slice('cibaRequest-'.length);
      const { consentId } = JSON.parse(received.data) as { consentId: string };
      const ends = [`consent-${consentId}`, `cibaRequest-${requestId}`, `grant-${requestId}`, `notification-${requestId}`];
      const pushes = log.filter(({ stream, data }) => stream.startsWith('push-') && JSON.parse(data).requestId === requestId);
      const signIns = received.stream.includes('AbCdEfGh') ? ['authentication-session'] : [];
      const streams = new Set([...ends, ...signIns, ...pushes.map(({ stream }) => stream)]);
      const story = log.filter(({ stream }) => streams.has(stream));
      const [first, ...rest] = await explained(requestId);
      expect(first).toContain(`request ${requestId} of `);
      const facts = rest.filter((line) => !line.startsWith(' '));
      expect(facts).toEqual(
        story.map(
          ({ position, recordedAt, type, actor }) =>
            `${position}  ${new Date(recordedAt).toISOString()}  ${type}  ${actor.kind} ${actor.id}`,
        ),
      );
      for (const { type } of story) types.add(type);
    }
    for (const type of ['DevicePushRejected', 'ClientNotificationAccepted', 'AccessTokenIssued', 'ConsentRevoked'])
      expect(types).toContain(type);
  });

  test('finds a request by its auth_req_id, which it does not repeat', async () => {
    const lines = await explained(AUTH_REQ_ID);
    expect(lines[0]).toMatch(/^request AbCdEfGh[\w-]{43} of tpp for consent [\w-]+: pending$/);
    expect(lines.slice(1)).toEqual([
      expect.stringMatching(/CibaRequestReceived {2}client tpp$/),
      ...['psuId: alice', 'consentOrigin: request', 'scope: openid accounts', 'intervalSeconds: 5', 'expiresAt: 1760000300'].map(
        (text) => `    ${text}`,
      ),
      '    deliveryMode: ping',
      expect.stringMatching(/AuthenticationSucceeded {2}psu alice$/),
      ...['flow: ciba', 'step: basic', 'psuChannel: Online Banking', 'psuId: alice'].map((text) => `    ${text}`),
      expect.stringMatching(/ConsentRetrieved {2}psu alice$/),
      ...[/psuId: alice$/, /digest: /, /nonce: /, /consentRevision: -1$/, /sessionId: session$/].map((text) => expect.stringMatching(text)),
    ]);
    expect(lines.join('\n')).not.toContain(AUTH_REQ_ID);
    const refused = explained('another-auth_req_id');
    await expect(refused).rejects.toThrow('there is no such request');
    await expect(refused).rejects.not.toThrow('another-auth_req_id');
  });
});
