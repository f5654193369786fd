import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { inMemoryEventStore } from '../../../src/adapters/event-store/in-memory.ts';
import { openCheckpoint } from '../../../src/evidence/checkpoint.ts';
import { leafHash, leafOf } from '../../../src/evidence/leaf.ts';
import { parseVerifierKey } from '../../../src/evidence/note-key.ts';
import { entryBundle, hashFromTiles, tilePath, tileWidth } from '../../../src/evidence/tiles.ts';
import { rootAt } from '../../../src/evidence/tree.ts';
import { covered, type KeptLog, keepLog } from '../../adapters/evidence/keeping.ts';
import { auditor } from '../../audit/support.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';

const CLIENTS = 300;

let kept: KeptLog;
let tested: TestEngine;
beforeAll(async () => {
  const store = inMemoryEventStore();
  kept = keepLog(store);
  tested = await testEngine({ store, evidence: kept.evidence });
  for (let n = 0; n < CLIENTS; n += 1)
    await tested.client({ profile: 'plain', token_endpoint_auth_method: 'client_secret_post' }, `secret ${n}`);
  await covered(kept, await store.head());
});
afterAll(async () => {
  await tested.close();
  await kept.stop();
});

const get = (path: string, headers: Record<string, string> = {}) => fetch(`${tested.url}/tlog/${path}`, { headers });
const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer());
const checkpoint = async () => {
  const log = parseVerifierKey((await (await get('key')).text()).trim());
  return openCheckpoint(await (await get('checkpoint')).text(), { log });
};

describe('the evidence log, as others read it', () => {
  test('is a checkpoint by its key, of a tree that its tiles make', async () => {
    const { size, root } = await checkpoint();
    expect(size).toBeGreaterThan(CLIENTS);
    const tiles = new Map<string, Buffer>();
    for (let level = 0; tileWidth({ level, index: 0 }, size) > 0; level += 1)
      for (let index = 0; tileWidth({ level, index }, size) > 0; index += 1) {
        const response = await get(tilePath({ level, index, width: tileWidth({ level, index }, size) }));
        expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/octet-stream']);
        expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
        tiles.set(`${level}/${index}`, await bytesOf(response));
      }
    expect([...tiles].map(([name, bytes]) => [name, bytes.length / 32])).toEqual([
      ['0/0', 256],
      ['0/1', size - 256],
      ['1/0', 1],
    ]);
    const hashAt = hashFromTiles((level, index) => tiles.get(`${level}/${index}`) as Buffer);
    expect(rootAt(size, hashAt)).toEqual(root);
    const facts = await tested.log();
    for (const index of [0, 100, 255, 256, size - 1]) expect(hashAt(0, index)).toEqual(leafHash(leafOf(facts[index] as (typeof facts)[0])));
  });

  test('is said in plain text, which nobody keeps', async () => {
    for (const path of ['checkpoint', 'checkpoint/newest', 'key']) {
      const { status, headers } = await get(path);
      expect([path, status, headers.get('content-type'), headers.get('cache-control')]).toEqual([
        path,
        200,
        'text/plain; charset=utf-8',
        'no-cache',
      ]);
    }
  });

  test('has nothing anywhere else', async () => {
    const { size } = await checkpoint();
    const beyond = tilePath({ level: 0, index: 1, width: size - 255 });
    for (const path of [
      ...[
        'tile/0/002',
        'tile/0/001',
        beyond,
        'tile/1/000',
        'tile/2/000.p/1',
        'tile/9/000',
        'tile/64/000',
        'tile/x/000',
        'tile/0/0',
        'tile/0/x000/000',
      ],
      ...[
        'tile/0/000.p/0',
        'tile/0/000.p/256',
        'tile/0/000.p/007',
        'tile/-1/000',
        'tile/0/..%2f..',
        'tile/0/000/000/000/000/000',
        'tile/0/%00',
      ],
    ]) {
      const response = await get(path);
      expect([path, response.status, await response.json()]).toEqual([
        path,
        404,
        { error: 'not_found', error_description: expect.any(String) },
      ]);
    }
  });
});

describe('the leaves', () => {
  test('are for auditors, who say what they read them for', async () => {
    const path = 'tile/entries/000';
    expect((await get(path)).status).toBe(401);
    const other = await auditor(tested, 'openid accounts');
    expect((await get(path, other.headers)).status).toBe(403);
    const { headers } = await auditor(tested);
    const { 'countersign-purpose': _, ...withoutPurpose } = headers as Record<string, string>;
    expect((await get(path, withoutPurpose)).status).toBe(400);
    const response = await get(path, headers);
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(await bytesOf(response)).toEqual(entryBundle((await tested.log()).slice(0, 256).map(leafOf)));
    const partial = await get(`tile/entries/001.p/3`, headers);
    expect(await bytesOf(partial)).toEqual(entryBundle((await tested.log()).slice(256, 259).map(leafOf)));
    const reads = (await tested.log()).filter(({ type }) => type === 'AuditRead').map(({ data }) => JSON.parse(data).what);
    expect(reads).toEqual(['/tlog/tile/entries/000', '/tlog/tile/entries/001.p/3']);
    expect((await get('tile/entries/009', headers)).status).toBe(404);
  });
});

test('the OpenAPI document holds all of it', async () => {
  const document = (await (await fetch(`${tested.url}/openapi.json`)).json()) as {
    paths: Record<string, { get: { operationId: string } }>;
  };
  expect(await new Validator().validate(document as Parameters<Validator['validate']>[0])).toMatchObject({ valid: true });
  const paths = tested.engine.routes.map(({ path }) => path).filter((path) => path.startsWith('/tlog/'));
  expect(paths).toHaveLength(13);
  expect(new Set(paths.map((path) => document.paths[path]?.get.operationId)).size).toBe(13);
});

test('an engine without an evidence log serves none', async () => {
  const without = await testEngine();
  expect((await fetch(`${without.url}/tlog/checkpoint`)).status).toBe(404);
  expect(without.engine.routes.filter(({ path }) => path.startsWith('/tlog'))).toEqual([]);
  await without.close();
});

test('the readiness of a node tells of it, and is none when the log differs from what was published', async () => {
  const ready = async () => {
    const response = await fetch(`${tested.url}/readyz`);
    return { status: response.status, checks: ((await response.json()) as { checks: Record<string, unknown> }).checks };
  };
  const { status, checks } = await ready();
  expect([status, checks['evidence']]).toEqual([200, { ok: true, facts: expect.any(Number), published: expect.any(Number) }]);
  kept.tiles.stop('the log differs');
  for (;;) {
    const now = await ready();
    if (now.status === 200) continue;
    expect(now.checks['evidence']).toEqual({ ok: false, fault: 'the log differs' });
    break;
  }
});
