import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Nodes, nodesOver, until, type Way } from '../support/nodes.ts';

let nodes: Nodes;
beforeAll(async () => {
  nodes = await nodesOver();
});
afterAll(async () => {
  await nodes.close();
});

const readinessOf = async ({ fetch }: Way) => {
  const response = await fetch(`${nodes.issuer}/readyz`);
  const { checks } = (await response.json()) as { checks: { evidence?: Record<string, unknown> } };
  return { status: response.status, evidence: checks.evidence };
};
/** Resolves when a node says that all facts are covered. */
const coveredAt = (at: Way) => until(async () => (await readinessOf(at)).evidence?.['published'] === (await nodes.log()).length);

test('a node whose log is not the published one leaves the duty to the others, and does not take it', async () => {
  const env = await nodes.environment();
  const first = await nodes.serve({ env });
  await nodes.client();
  await coveredAt(first);
  await first.close();

  // It is the only node, so that the duty is its own to take, and what it reads is another log than that of the first one.
  const fact = nodes.cluster.log.all().find(({ stream }) => !stream.startsWith('$') && !stream.startsWith('countersign.'));
  const metadata = fact?.metadata as Uint8Array;
  const { actor, ...envelope } = JSON.parse(Buffer.from(metadata).toString());
  Object.assign(fact as object, { metadata: Buffer.from(JSON.stringify({ ...envelope, actor: { ...actor, id: 'another' } })) });
  const halted = await nodes.serve();
  await until(async () => (await readinessOf(halted)).status === 503);
  expect((await readinessOf(halted)).evidence?.['fault']).toMatch(/^the log differs from the published checkpoint/);
  Object.assign(fact as object, { metadata });

  const next = await nodes.serve({ env });
  await nodes.client();
  await coveredAt(next);
  expect((await readinessOf(halted)).status).toBe(503);
}, 60_000);
