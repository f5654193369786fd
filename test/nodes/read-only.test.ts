import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Readiness } from '../../src/api/operator/readiness.ts';
import { type Nodes, nodesOver, type ServedNode, until } from '../support/nodes.ts';

let nodes: Nodes;
let served: readonly ServedNode[];
beforeAll(async () => {
  nodes = await nodesOver({}, { nodes: 3 });
  served = await Promise.all([nodes.serve(), nodes.serve()]);
});
afterAll(() => nodes.close());

const readiness = () =>
  Promise.all(served.map(async ({ fetch }) => (await fetch(`${nodes.issuer}/readyz`, {})).json() as Promise<Readiness>));
/** Resolves when all nodes say so of themselves. */
const areReady = (ready: boolean) => until(async () => (await readiness()).every((one) => one.ready === ready));

test('no node is ready while the cluster answers reads and takes no writes, and all are when it does again', async () => {
  await areReady(true);
  for (const { quirks } of nodes.cluster.nodes) quirks.readOnly = true;
  await areReady(false);
  const refused = { ok: false, fault: 'it answers, and takes no writes' };
  expect((await readiness()).map(({ checks }) => checks['store'])).toEqual([refused, refused]);
  for (const { quirks } of nodes.cluster.nodes) quirks.readOnly = false;
  await areReady(true);
}, 90_000);
