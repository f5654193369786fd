import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Subject, switchMap } from 'rxjs';
import { readTiles } from '../../src/adapters/evidence/tiles.ts';
import { inMemoryPushSender } from '../../src/adapters/push/in-memory.ts';
import { LogInUse } from '../../src/adapters/sqlite-file.ts';
import { rebuild } from '../../src/cli/rebuild.ts';
import { loadConfig } from '../../src/config.ts';
import { evidenceFileOf } from '../../src/serve/evidence.ts';
import { ask, type Form, type Nodes, nodesOver, until } from '../support/nodes.ts';

let nodes: Nodes;
let tpp: Form;
beforeAll(async () => {
  nodes = await nodesOver({}, { nodes: 3 });
  tpp = await nodes.client();
});
afterAll(() => nodes.close());

const configOf = (env: Form) => loadConfig({ env, cwd: tmpdir() }).config;
const rebuildIn = (env: Form) => rebuild(configOf(env), { print: () => undefined, progress: null });
/** Where those on duty have written that they are, and what they have published. */
const ofThoseOnDuty = () => nodes.cluster.log.all().flatMap(({ stream }) => (/^countersign\.(duty|tlog )/.test(stream) ? [stream] : []));
/** How many facts are in the tree of an evidence log that a node of this process keeps. */
const hashedIn = (file: string): number => {
  if (!existsSync(file)) return 0;
  const tiles = readTiles(file);
  try {
    return tiles.size();
  } finally {
    tiles.close();
  }
};

test('a rebuild takes no duty and publishes nothing', async () => {
  await rebuildIn(await nodes.environment());
  expect(ofThoseOnDuty()).toEqual([]);
});

test('a node that still catches up leaves the duty to one that serves', async () => {
  const env = await nodes.environment();
  const caughtUp = new Subject<void>();
  const store = { ...nodes.store, follow: (from: number) => caughtUp.pipe(switchMap(() => nodes.store.follow(from))) };
  const held = nodes.serve({ env, instead: { store } });
  held.catch(() => undefined);
  const recorded = (await nodes.log()).length;
  const ownEvidence = evidenceFileOf(configOf(env));
  await until(() => hashedIn(ownEvidence) === recorded);
  const pushSender = inMemoryPushSender();
  const serving = await nodes.serve({ instead: { pushSender } });
  await nodes.phone(serving.fetch, 'a-push-token');
  const { requestId } = await ask(serving, tpp);
  await until(() => pushSender.wakeUps.length > 0);
  expect(pushSender.wakeUps.map((wakeUp) => wakeUp.requestId)).toEqual([requestId]);
  caughtUp.error(new Error('it is held no more'));
  await expect(held).rejects.toThrow();
  expect(serving.faults).toEqual([]);
});

test('a rebuild is refused where a node serves on the data directory', async () => {
  const env = await nodes.environment();
  await nodes.serve({ env });
  await expect(rebuildIn(env)).rejects.toThrow(LogInUse);
});
