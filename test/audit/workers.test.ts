import { expect, test } from '@jest/globals';
import { ask, enginesOfTests, environmentWith, secretOf } from '../workers/support.ts';
import { type Found, readsIn } from './support.ts';

const start = enginesOfTests();

test('every worker answers auditors, with what was recorded just before by any of them', async () => {
  const clients = { tpp: {}, auditor: { scope: 'audit', grant_types: ['client_credentials' as const] } };
  const env = await environmentWith(clients, { COUNTERSIGN_EVIDENCE_CHECKPOINT_MS: '100' });
  const engine = await start(2, env);
  const connections = await engine.connections(6);
  const [first] = connections;
  if (first === undefined) throw new Error('no connection');
  const { body } = await first.post('/oauth2/token', { ...secretOf('auditor'), grant_type: 'client_credentials' });
  const headers = { authorization: `Bearer ${body['access_token']}`, 'countersign-purpose': 'a test' };
  for (const [asked, { fetch, post }] of connections.entries()) {
    await ask({ post }, secretOf('tpp'));
    for (const other of connections) {
      const response = await other.fetch(`${engine.issuer}/audit/v1/events?type=CibaRequestReceived&client=tpp`, { headers });
      expect(response.status).toBe(200);
      expect(((await response.json()) as Found).facts).toHaveLength(asked + 1);
    }
    const lines = (await (await fetch(`${engine.issuer}/audit/v1/export?format=bundle`, { headers })).text()).trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(asked + 3);
  }
  expect(readsIn(await engine.log())).toHaveLength(connections.length * (connections.length + 1));
  for (const { close } of connections) await close();
}, 60_000);
