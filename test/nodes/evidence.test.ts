import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type VerifyOf, verify } from '../../src/cli/verify.ts';
import { loadConfig } from '../../src/config.ts';
import { openCheckpoint } from '../../src/evidence/checkpoint.ts';
import { leafHash, leafOf } from '../../src/evidence/leaf.ts';
import { parseVerifierKey, type VerifierKey } from '../../src/evidence/note-key.ts';
import { hashFromTiles, tilePath, tileWidth } from '../../src/evidence/tiles.ts';
import { consistencyProof, growing, verifyConsistency } from '../../src/evidence/tree.ts';
import type { Entry } from '../support/kurrentdb-server/log.ts';
import { answer, ask, type Form, type Nodes, nodesOver, pollOf, type ServedNode, until, type Way } from '../support/nodes.ts';
import { temporaryFolder } from '../support/served.ts';

const ORIGIN = 'countersign.test/consents';

let nodes: Nodes;
let one: ServedNode;
let two: ServedNode;
let tpp: Form;
let key: VerifierKey;
beforeAll(async () => {
  nodes = await nodesOver({}, { nodes: 3 });
  [one, two] = await Promise.all([nodes.serve(), nodes.serve()]);
  tpp = await nodes.client();
});
afterAll(async () => {
  await nodes.close();
});

const get = async (at: Way, path: string) => at.fetch(`${nodes.issuer}/tlog/${path}`, {});
const textOf = async (at: Way, path: string) => (await get(at, path)).text();
const checkpointOf = async (at: Way) => {
  const response = await get(at, 'checkpoint');
  return response.status === 200 ? openCheckpoint(await response.text(), { log: key }) : null;
};
/** Resolves when a node says that all facts are covered. */
const coveredAt = (at: Way) => until(async () => (await checkpointOf(at))?.size === (await nodes.log()).length);
const rootOf = async (size: number) => {
  const tree = growing();
  for (const event of (await nodes.log()).slice(0, size)) tree.append(leafHash(leafOf(event)));
  return tree.root();
};
const hashesOf = async (at: Way, size: number) => {
  const tiles = new Map<string, Buffer>();
  for (let level = 0; tileWidth({ level, index: 0 }, size) > 0; level += 1)
    for (let index = 0; tileWidth({ level, index }, size) > 0; index += 1) {
      const response = await get(at, tilePath({ level, index, width: tileWidth({ level, index }, size) }));
      tiles.set(`${level}/${index}`, Buffer.from(await response.arrayBuffer()));
    }
  return hashFromTiles((level, index) => tiles.get(`${level}/${index}`) as Buffer);
};

test('all nodes have one key, and one chain of checkpoints over one tree', async () => {
  const keys = await Promise.all([one, two].map((node) => textOf(node, 'key')));
  expect(keys[1]).toBe(keys[0]);
  key = parseVerifierKey((keys[0] as string).trim());
  expect(key.name).toBe(ORIGIN);
  let older = { size: 0, root: await rootOf(0) };
  for (let round = 0; round < 5; round += 1) {
    for (const node of [one, two]) await ask(node, tpp);
    for (const node of [one, two]) {
      await coveredAt(node);
      const newer = (await checkpointOf(node)) as NonNullable<Awaited<ReturnType<typeof checkpointOf>>>;
      expect(newer.root).toEqual(await rootOf(newer.size));
      const proof = consistencyProof(older.size, newer.size, await hashesOf(node, newer.size));
      expect(verifyConsistency({ older: older.size, olderRoot: older.root, size: newer.size, root: newer.root, proof })).toBe(true);
      older = newer;
    }
  }
});

test('countersign verify compares the log of the cluster with the checkpoint in its record', async () => {
  const { authReqId, requestId } = await ask(one, tpp);
  await answer(await nodes.phone(one.fetch), requestId);
  expect((await two.post('/oauth2/token', pollOf(tpp, authReqId))).status).toBe(200);
  await coveredAt(one);
  const { config } = loadConfig({ env: await nodes.environment(), cwd: temporaryFolder() });
  const verified = async (more: Partial<VerifyOf> = {}) => {
    const of = { source: config, checkpoints: [], key: key.text, witnesses: [], quorum: null, keys: null, consentId: null };
    const printed: string[] = [];
    await verify({ ...of, json: true, ...more }, { print: (line) => void printed.push(line), progress: null });
    return JSON.parse(printed.at(-1) as string);
  };
  const facts = (await nodes.log()).length;
  const covered = { verdict: 'no doubt', facts, uncovered: 0, tokens: 1, checkpoints: [{ from: 'the log', size: facts }] };
  expect(await verified()).toMatchObject({ ...covered, signatures: 0, sealed: { opened: 0 } });
  const { keys } = config;
  expect(await verified({ keys: keys.masterFile })).toMatchObject({ ...covered, signatures: 1, sealed: { sealed: 0, erased: 0 } });
  await expect(verified({ key: null })).rejects.toThrow('--key is needed');
  const kept = join(temporaryFolder(), 'kept');
  writeFileSync(kept, await textOf(one, 'checkpoint'));
  await ask(two, tpp);
  const consentId = requestId;
  expect(await verified({ checkpoints: [kept], consentId })).toMatchObject({ verdict: 'no doubt', timeline: expect.any(Array) });

  // Nothing but the record's root says when the first fact was recorded.
  const first = nodes.cluster.log.all().find(({ stream }) => /^\w+-/.test(stream)) as Entry;
  first.created += 1;
  expect(await verified()).toMatchObject({ verdict: 'doubt', doubts: [{ rule: 'T1', index: 0 }] });
  first.created -= 1;
  expect((await verified()).verdict).toBe('no doubt');
});

test('another node goes on with it when the one on duty is gone', async () => {
  const third = await nodes.serve();
  await ask(third, tpp);
  await Promise.all([one, two, third].map(coveredAt));
  await one.close();
  await ask(two, tpp);
  await Promise.all([two, third].map(coveredAt));
  await two.close();
  await ask(third, tpp);
  await coveredAt(third);
  expect((await checkpointOf(third))?.root).toEqual(await rootOf((await nodes.log()).length));
  expect([one, two, third].map(({ faults }) => faults)).toEqual([[], [], []]);
});
