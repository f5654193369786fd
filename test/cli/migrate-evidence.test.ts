import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, test } from '@jest/globals';
import { masterKey } from '../../src/adapters/keys/master-key.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { registerClient } from '../../src/cli/client.ts';
import { migrate } from '../../src/cli/migrate.ts';
import { type Config, loadConfig } from '../../src/config.ts';
import { openCheckpoint } from '../../src/evidence/checkpoint.ts';
import type { Published } from '../../src/evidence/log.ts';
import { parseVerifierKey } from '../../src/evidence/note-key.ts';
import { publishedOf } from '../../src/serve/evidence.ts';
import { openCluster } from '../../src/serve/store.ts';
import { rootOver } from '../adapters/evidence/keeping.ts';
import { type Form, type Nodes, nodesOver, type ServedNode, until, type Way } from '../support/nodes.ts';
import { temporaryFolder } from '../support/served.ts';

const UNBOUND = { tls_client_certificate_bound_access_tokens: false };
const RECORD = 'tlog countersign.test/consents';

const opened: Nodes[] = [];
afterEach(async () => {
  for (const nodes of opened.splice(0)) await nodes.close();
});

interface World {
  nodes: Nodes;
  /** Of a node that has the same data directory. */
  env: Form;
  config: Config;
  key: string;
  /** Of the log in the data directory. */
  newest: Published;
}

const rotate = ({ serving }: ServedNode) => serving.engine.rotateSigningKeys({ kind: 'operator', id: 'test' });
const textOf = async ({ fetch }: Way, path: string): Promise<string | null> => {
  const response = await fetch(`https://countersign.test${path}`);
  const text = await response.text();
  return response.status === 200 ? text : null;
};
const newestAt = async (at: Way, key: string) => {
  const note = await textOf(at, '/tlog/checkpoint/newest');
  return note === null ? null : openCheckpoint(note, { log: parseVerifierKey(key.trim()) });
};

/** A data directory in which an engine has published what it recorded, and a cluster that is empty. */
const setUp = async (): Promise<World> => {
  const nodes = await nodesOver();
  opened.push(nodes);
  const env = await nodes.environment();
  const inFile = { ...env, COUNTERSIGN_STORE_KIND: 'sqlite' };
  const node = await nodes.serve({ env: inFile });
  await rotate(node);
  const key = (await textOf(node, '/tlog/key')) as string;
  await until(async () => (await newestAt(node, key)) !== null);
  await node.close();
  const { config } = loadConfig({ env: inFile, cwd: tmpdir() });
  const published = await publishedOf(config, masterKey(config.keys.masterFile, { create: false }));
  const newest = published?.standing.newest as Published;
  return { nodes, env, config, key, newest };
};

const run = async ({ config }: Pick<World, 'config'>) => {
  const lines: Record<string, unknown>[] = [];
  await migrate(config, { print: (line) => void lines.push(JSON.parse(line)), progress: null });
  return lines;
};

/** What stands in the cluster: how many events, and the record of its checkpoints. */
const inCluster = async ({ env }: World) => {
  const { store, records, close } = await openCluster(loadConfig({ env, cwd: tmpdir() }).config);
  try {
    return { events: await store.readAll(0, 1_000_000), record: await records.read(RECORD) };
  } finally {
    await close();
  }
};

const inLog = ({ config }: World, sql: string) => {
  const db = new DatabaseSync(join(config.dataDir, 'log.sqlite'));
  db.exec(sql);
  db.close();
};

describe('countersign migrate', () => {
  test('takes the published checkpoint along, and the first node goes on behind it with the same key', async () => {
    const world = await setUp();
    const { size, root } = world.newest;
    expect(await run(world)).toContainEqual({ step: 'evidence', size });
    const { events, record } = await inCluster(world);
    expect(record).toMatchObject({ revision: 0 });
    expect(JSON.parse(record?.text as string)).toMatchObject({ position: events[size - 1]?.position });
    await run(world);
    expect((await inCluster(world)).record).toEqual(record);

    const node = await world.nodes.serve({ env: world.env });
    expect(await textOf(node, '/tlog/key')).toBe(world.key);
    await world.nodes.client();
    await until(async () => ((await newestAt(node, world.key))?.size ?? 0) > size);
    const newer = (await newestAt(node, world.key)) as NonNullable<Awaited<ReturnType<typeof newestAt>>>;
    expect(newer.root).toEqual(await rootOver(world.nodes.store, newer.size));
    expect(await rootOver(world.nodes.store, size)).toEqual(root);
    expect(node.faults).toEqual([]);
  }, 60_000);

  test('takes a newer checkpoint to where an older one is, and the keys that were made since', async () => {
    const world = await setUp();
    const sealFor = (at: number) => {
      const { dataDir, keys } = world.config;
      const sealer = psuKeys(join(dataDir, 'keys', 'psu-keys.sqlite'), masterKey(keys.masterFile, { create: false }));
      sealer.seal({ psuId: 'psu-1', retention: 'request', at }, '{}', 'its place');
      sealer.close();
    };
    sealFor(0);
    expect(await run(world)).toContainEqual({ step: 'keys', psu_keys: 1, signing_keys: expect.any(Number) });
    sealFor(1_900_000_000);
    const file = join(temporaryFolder(), 'client.json');
    writeFileSync(
      file,
      JSON.stringify({ client_name: 'A TPP', profile: 'plain', token_endpoint_auth_method: 'client_secret_post', ...UNBOUND }),
    );
    await registerClient(world.config, file, () => undefined);
    const node = await world.nodes.serve({ env: { ...world.env, COUNTERSIGN_STORE_KIND: 'sqlite' } });
    await node.close();
    const lines = await run(world);
    const { events, record } = await inCluster(world);
    expect(events.length).toBeGreaterThan(world.newest.size);
    expect(lines).toContainEqual({ step: 'evidence', size: events.length });
    expect(lines).toContainEqual({ step: 'keys', psu_keys: 2, signing_keys: expect.any(Number) });
    expect(record).toMatchObject({ revision: 1 });
    expect(JSON.parse(record?.text as string)).toMatchObject({ position: events.at(-1)?.position });
  }, 60_000);

  test.each([
    [
      'is altered anywhere',
      'update event set actor_id = actor_id || 0 where position = 1',
      /^the log differs from the published checkpoint/,
    ],
    ['has lost its end', 'delete from event where position = (select max(position) from event)', /^the log has \d+ facts where/],
  ])(
    'refuses a log that %s, and writes nothing',
    async (_, sql, words) => {
      const world = await setUp();
      inLog(world, sql);
      await expect(run(world)).rejects.toThrow(words);
      expect(await inCluster(world)).toEqual({ events: [], record: null });
    },
    60_000,
  );

  test('refuses a log whose evidence log is gone', async () => {
    const world = await setUp();
    rmSync(join(world.config.dataDir, 'evidence.sqlite'));
    await expect(run(world)).rejects.toThrow(/^the evidence log is gone/);
    expect(await inCluster(world)).toEqual({ events: [], record: null });
  }, 60_000);
});

test('the first node over a cluster that is not what was migrated publishes nothing', async () => {
  const world = await setUp();
  await run(world);
  const first = world.nodes.cluster.log.all().find(({ stream }) => !stream.startsWith('$') && !stream.startsWith('countersign.'));
  const { actor, ...envelope } = JSON.parse(Buffer.from(first?.metadata ?? []).toString());
  Object.assign(first as object, { metadata: Buffer.from(JSON.stringify({ ...envelope, actor: { ...actor, id: 'another' } })) });
  const node = await world.nodes.serve();
  await until(() => node.faults.some(({ message }) => message.startsWith('the log differs from the published checkpoint')));
  await world.nodes.client();
  expect((await node.fetch('https://countersign.test/readyz')).status).toBe(503);
  expect((await inCluster(world)).record).toMatchObject({ revision: 0 });
}, 60_000);
