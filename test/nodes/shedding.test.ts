import { afterEach, expect, test } from '@jest/globals';
import { metricsIn } from '../support/metrics.ts';
import { type Answer, answer, ask, type Nodes, nodesOver, pollOf, until } from '../support/nodes.ts';
import { freePort } from '../support/ports.ts';

let nodes: Nodes;
afterEach(() => nodes.close());

test('while the cluster stands still a node refuses what is new, and takes a revocation, which is done when the cluster is back', async () => {
  const port = await freePort();
  nodes = await nodesOver({
    COUNTERSIGN_OPERATOR_PORT: String(port),
    COUNTERSIGN_STORE_KURRENTDB_MAX_IN_FLIGHT: '8',
    COUNTERSIGN_STORE_KURRENTDB_DEADLINE_MS: '10000',
  });
  const { post, fetch: way } = await nodes.serve();
  const tpp = await nodes.client();
  const { authReqId, requestId } = await ask({ post }, tpp);
  await answer(await nodes.phone(way), requestId);
  const { body } = await post('/oauth2/token', pollOf(tpp, authReqId));
  const token = body.access_token;
  const request = () => post('/oauth2/ciba', { ...tpp, scope: 'openid accounts', login_hint: 'alice' });
  const soon = () => new Promise<undefined>((resolve) => setTimeout(resolve, 50, undefined));

  const letGo = nodes.cluster.node.stall();
  const begun: Promise<Answer>[] = [];
  let refused: Answer | undefined;
  while (refused === undefined) {
    const asked = request();
    refused = await Promise.race([asked, soon()]);
    if (refused === undefined) begun.push(asked);
  }
  expect([refused.status, refused.body.error]).toEqual([503, 'temporarily_unavailable']);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  const revoked = post('/oauth2/revoke', { ...tpp, token });
  expect((await request()).status).toBe(503);
  expect(await Promise.race([revoked, ...begun, soon()])).toBeUndefined();
  letGo();
  expect((await revoked).status).toBe(200);
  for (const { status } of await Promise.all(begun)) expect(status).toBe(200);
  await until(async () => !(await post('/oauth2/introspect', { ...tpp, token })).body.active);
  expect((await request()).status).toBe(200);
  const metrics = metricsIn(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
  expect(metrics.get('countersign_shed_total{kind="request"}')).toBe(2);
  expect(metrics.get('countersign_shed_total{kind="revocation"}')).toBe(0);
});
