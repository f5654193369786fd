import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { kurrentdbShared } from '../../src/adapters/shared/kurrentdb.ts';
import { recordOfPsuKey } from '../../src/adapters/shared/psu-keys.ts';
import { accountsIn, type Fetch } from '../../src/demo/phone.ts';
import { requestIdOf } from '../../src/domain/ciba-request/id.ts';
import { CIBA_GRANT } from '../../src/domain/client/metadata.ts';
import { settingsFor } from '../support/kurrentdb-server/settings.ts';
import { ask as askNode, type Nodes, nodesOver } from '../support/nodes.ts';
import { ask, enginesOfTests, environmentWith, secretOf, until } from '../workers/support.ts';

type Clients = Parameters<typeof environmentWith>[0];
const METADATA: Clients = {
  tpp: { grant_types: [CIBA_GRANT] },
  eraser: { token_endpoint_auth_method: 'client_secret_post', grant_types: ['client_credentials'], scope: 'psus:erase' },
};
const start = enginesOfTests();

const psuIdIn = (dataDir: string): string =>
  JSON.parse(readFileSync(join(dataDir, 'sandbox/psus.json'), 'utf8')).psus.find((psu: { username: string }) => psu.username === 'alice')
    .psu_id;

/** Asks for an erasure, or how far it is; the status and the body. */
const erasure = async (fetch: Fetch, issuer: string, psuId: string, token: string, method: 'GET' | 'POST' = 'POST') => {
  const response = await fetch(`${issuer}/admin/v1/psus/${psuId}/erasure`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(method === 'POST' && { body: JSON.stringify({ reason: 'case 4711' }) }),
  });
  return { status: response.status, body: (await response.json()) as { destroyed_at: number | null } };
};

describe('an engine with workers', () => {
  test('forgets a PSU in each of them, and finishes what kill -9 cut off', async () => {
    const env = await environmentWith(METADATA);
    let engine = await start(3, env);
    const [first, ...others] = await engine.connections(6);
    if (first === undefined) throw new Error('there is no connection');
    const phone = await engine.enrol(first.fetch);
    const asked = await ask(first, secretOf('tpp'), { binding_message: 'TAXI-7' });
    const requestId = requestIdOf(asked, systemIds);
    const shown = await phone.retrieve(requestId);
    await phone.send(requestId, await phone.sign(shown, 'approved', accountsIn(shown)));
    const psuId = psuIdIn(engine.dataDir);
    const { body: own } = await first.post('/oauth2/token', {
      ...secretOf('eraser'),
      grant_type: 'client_credentials',
      scope: 'psus:erase',
    });
    const token = String(own['access_token']);
    const erased = await erasure(first.fetch, engine.issuer, psuId, token);
    expect(erased.status).toBeLessThan(300);
    engine.process.kill('SIGKILL');
    await engine.ended;

    engine = await start(3, env);
    const connections = await engine.connections(6);
    await until(
      async () =>
        (await erasure((connections[0] as (typeof others)[number]).fetch, engine.issuer, psuId, token, 'GET')).body.destroyed_at !== null,
    );
    for (const one of connections) {
      const { status, body } = await one.post('/oauth2/ciba', { ...secretOf('tpp'), scope: 'openid accounts', login_hint: 'alice' });
      expect([status, body['error']]).toEqual([400, 'unknown_user_id']);
    }
    await expect(engine.enrol((connections[0] as (typeof others)[number]).fetch)).rejects.toMatchObject({ status: 401 });
    expect((await engine.log()).filter(({ stream }) => stream === `psu-${psuId}`).map(({ type }) => type)).toEqual([
      'PsuErased',
      'PsuKeysDestroyed',
    ]);
  }, 60_000);
});

describe('nodes over one cluster', () => {
  let nodes: Nodes | undefined;
  afterEach(async () => nodes?.close());

  test('erase a PSU whichever of them is asked: none of them opens or begins anything any more', async () => {
    nodes = await nodesOver();
    const all = [await nodes.serve(), await nodes.serve()];
    const [one, two] = all as [(typeof all)[number], (typeof all)[number]];
    const tpp = await nodes.client({ grant_types: [CIBA_GRANT] });
    const eraser = await nodes.client({ grant_types: ['client_credentials'], scope: 'psus:erase' });
    const phone = await nodes.phone(one.fetch);
    const { requestId } = await askNode(one, tpp);
    const shown = await phone.retrieve(requestId);
    await phone.send(requestId, await phone.sign(shown, 'approved', accountsIn(shown)));
    await askNode(two, tpp);
    const psuId = JSON.parse((await nodes.log()).find(({ type }) => type === 'DeviceRegistered')?.data ?? '{}').psuId as string;
    const { body: own } = await two.post('/oauth2/token', { ...eraser, grant_type: 'client_credentials', scope: 'psus:erase' });
    const fetchAt = (node: typeof one) => node.fetch;
    expect((await erasure(fetchAt(two), nodes.issuer, psuId, String(own['access_token']))).status).toBeLessThan(300);
    for (const node of all)
      await until(
        async () =>
          (await erasure(fetchAt(node), (nodes as Nodes).issuer, psuId, String(own['access_token']), 'GET')).body.destroyed_at !== null,
      );
    for (const node of all) {
      const { status, body } = await node.post('/oauth2/ciba', { ...tpp, scope: 'openid accounts', login_hint: 'alice' });
      expect([status, body.error]).toEqual([400, 'unknown_user_id']);
      expect(node.faults).toEqual([]);
    }
    await expect(phone.requests()).rejects.toMatchObject({ status: 401 });
    const log = await nodes.log();
    expect(log.filter(({ stream }) => stream === `psu-${psuId}`).map(({ type }) => type)).toEqual(['PsuErased', 'PsuKeysDestroyed']);
    const shared = kurrentdbShared(settingsFor(nodes.cluster.connectionString), { kept: [] });
    expect(await shared.records.read(recordOfPsuKey(psuId))).toBeNull();
    expect(await shared.records.write(recordOfPsuKey(psuId), '{}', -1)).toBe(false);
    shared.close();
  }, 60_000);
});
