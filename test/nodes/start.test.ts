import { once } from 'node:events';
import { setTimeout as passed } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { nodesOver, until } from '../support/nodes.ts';
import { freePort } from '../support/ports.ts';
import { spawnServer } from '../support/server-process.ts';

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

/** A node of a cluster that is away, which operators can ask. */
const waitingNode = async () => {
  const nodes = await nodesOver({}, { started: false });
  opened.push(nodes);
  const port = await freePort();
  const env = await nodes.environment({ COUNTERSIGN_OPERATOR_PORT: String(port) });
  const status = async (path: string): Promise<number | null> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`).catch(() => null);
    return answer?.status ?? null;
  };
  return { nodes, env, status, lives: () => until(async () => (await status('/livez')) === 200) };
};

test('a node whose cluster is away at its start lives and is not ready, and is ready when the cluster has come', async () => {
  const { nodes, env, status, lives } = await waitingNode();
  const starting = nodes.serve({ env });
  await lives();
  expect(await status('/readyz')).toBe(503);
  await nodes.cluster.node.start();
  await starting;
  await until(async () => (await status('/readyz')) === 200);
}, 60_000);

test('a node that waits for its cluster stops at once at a signal', async () => {
  const { env, lives } = await waitingNode();
  const { process: node, serves } = spawnServer(env);
  opened.push({ close: () => node.kill('SIGKILL') });
  serves.catch(() => undefined);
  await lives();
  node.kill('SIGTERM');
  // A signal that nobody handles does nothing to the first process of a container.
  expect(await once(node, 'exit')).toEqual([0, null]);
}, 60_000);

test('a node whose output is no terminal tells by lines how far its read models have come', async () => {
  const nodes = await nodesOver({ COUNTERSIGN_STORE_KURRENTDB_DEADLINE_MS: '5000', COUNTERSIGN_EVIDENCE_ENABLED: 'false' });
  opened.push(nodes);
  await nodes.client();
  const { node } = nodes.cluster;
  node.delay(50);
  const { process: child, serves } = spawnServer(await nodes.environment());
  opened.push({ close: () => child.kill('SIGKILL') });
  let said = '';
  child.stdout?.on('data', (text: Buffer) => {
    said += text;
  });
  // The first subscription is that of the news.
  await until(() => node.begun() >= 2);
  const goOn = node.stall();
  // Of what takes less than a second nothing is told.
  await passed(1100);
  node.delay(0);
  goOn();
  await serves;
  const [told = '{}'] = said.split('\n').filter((line) => line.startsWith('{'));
  const progress = { done: expect.any(Number), total: expect.any(Number), eventsPerSecond: expect.any(Number), secondsLeft: 0 };
  expect(JSON.parse(told)).toEqual({ catchUp: progress });
}, 60_000);
