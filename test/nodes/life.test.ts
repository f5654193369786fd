import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { systemClock } from '../../src/adapters/clock.ts';
import { LogInUse } from '../../src/adapters/sqlite-file.ts';
import { answer, ask, type Form, type Nodes, nodesOver, pollOf, until, type Way } from '../support/nodes.ts';
import { temporaryFolder } from '../support/served.ts';

let nodes: Nodes;
let tpp: Form;
const open: { close(): Promise<void> }[] = [];
beforeAll(async () => {
  nodes = await nodesOver();
  tpp = await nodes.client();
});
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});
afterAll(() => nodes.close());

const serve: Nodes['serve'] = async (options) => {
  const node = await nodes.serve(options);
  open.push(node);
  return node;
};
const tokenOf = async (way: Way): Promise<string> => {
  const phone = await nodes.phone(way.fetch);
  const { authReqId, requestId } = await ask(way, tpp);
  await answer(phone, requestId);
  await phone.revokeDevice(phone.deviceId);
  return (await way.post('/oauth2/token', pollOf(tpp, authReqId))).body.access_token;
};
const ofTheLog = (shown: readonly string[]) => shown.filter((event) => !event.startsWith('countersign.'));

describe('a node', () => {
  test('that is new serves only when it has seen the whole log', async () => {
    const token = await tokenOf(await serve());
    const env = await nodes.environment();
    const way = nodes.way(Number(env['COUNTERSIGN_SERVER_PORT']));
    nodes.cluster.node.delay(300);
    let listening = false;
    const began = nodes.cluster.node.shown.length;
    const starting = serve({ env }).finally(() => {
      listening = true;
    });
    const refused: unknown[] = [];
    const first = async (): Promise<number> => {
      for (;;)
        try {
          return (await way.fetch(`${nodes.issuer}/readyz`)).status;
        } catch (error) {
          refused.push(error);
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
    };
    expect(await first()).toBe(200);
    const known = new Set(ofTheLog(nodes.cluster.node.shown.slice(began)));
    expect((await nodes.log()).filter(({ stream, revision }) => !known.has(`${stream}/${revision}`))).toEqual([]);
    expect([refused.length > 0, listening]).toEqual([true, true]);
    nodes.cluster.node.delay(0);
    expect((await way.post('/oauth2/introspect', { ...tpp, token })).body.active).toBe(true);
    await starting;
  }, 120_000);

  test('that is started again goes on where it was: nothing that it has seen is shown to it again', async () => {
    const env = await nodes.environment();
    const { shown } = nodes.cluster.node;
    const began = shown.length;
    const node = await serve({ env });
    const token = await tokenOf(node);
    await node.close();
    const [before, stopped] = [ofTheLog(shown.slice(began)), shown.length];
    for (let n = 0; n < 5; n += 1) await nodes.client();
    const again = await serve({ env });
    const after = ofTheLog(shown.slice(stopped));
    expect(after.length).toBeGreaterThanOrEqual(5);
    expect(after.filter((event) => before.includes(event))).toEqual([]);
    const all = (await nodes.log()).map(({ stream, revision }) => `${stream}/${revision}`);
    // The read models and the evidence log follow the log each.
    expect([...new Set([...before, ...after])].toSorted()).toEqual(all.toSorted());
    expect((await again.post('/oauth2/introspect', { ...tpp, token })).body.active).toBe(true);
  });

  test('that is started again where others have written much since is ready, though looking through all of that takes a second', async () => {
    const { log, node } = nodes.cluster;
    const env = await nodes.environment();
    await (await serve({ env })).close();
    const other = { type: 'Other', contentType: 'application/json', data: Buffer.from('{}'), metadata: Buffer.from('{}') };
    for (let n = 0; n < 3000; n += 1) log.append('other-1', 'any', [{ ...other, id: crypto.randomUUID() }]);
    node.quirks.lookingMs = 50;
    try {
      const again = await serve({ env });
      expect((await again.fetch(`${nodes.issuer}/readyz`)).status).toBe(200);
      await tokenOf(again);
    } finally {
      node.quirks.lookingMs = 0;
    }
  }, 120_000);

  test('that has another master key is told so', async () => {
    await serve();
    const other = join(temporaryFolder(), 'master.key');
    writeFileSync(other, Buffer.alloc(32, 8).toString('base64url'));
    await expect(serve({ env: await nodes.environment({ COUNTERSIGN_KEYS_MASTER_FILE: other }) })).rejects.toThrow(/master key/);
  });

  test('does not start on the data directory of another one', async () => {
    const env = await nodes.environment();
    await serve({ env });
    await expect(serve({ env })).rejects.toThrow(LogInUse);
  });
});

test('what one node signs, the keys that another publishes verify at any moment, also while they change', async () => {
  let ahead = 0;
  const clock = () => systemClock() + ahead;
  const both = [await serve({ instead: { clock } }), await serve({ instead: { clock } })] as const;
  const kids = [new Set<string>(), new Set<string>()] as const;
  const signAt = async (signing: 0 | 1) => {
    const verifying = both[1 - signing] as Way;
    const { body } = await both[signing].post('/oauth2/token', { ...tpp, grant_type: 'client_credentials', scope: 'accounts' });
    const jwks = (await (await verifying.fetch(`${nodes.issuer}/oauth2/jwks`)).json()) as JSONWebKeySet;
    await jwtVerify(body.access_token, createLocalJWKSet(jwks), { currentDate: new Date(clock() * 1000) });
    kids[signing].add(String(decodeProtectedHeader(body.access_token).kid));
  };
  const changed = (count: number) =>
    until(async () => {
      await Promise.all([signAt(0), signAt(1)]);
      return kids.every(({ size }) => size === count);
    });
  await changed(1);
  for (let rotation = 1; rotation <= 3; rotation += 1) {
    await both[rotation % 2 === 0 ? 0 : 1].serving.engine.rotateSigningKeys({ kind: 'operator', id: 'test' });
    for (let n = 0; n < 5; n += 1) await Promise.all([signAt(0), signAt(1)]);
    ahead += 86_400;
    await changed(1 + rotation);
  }
  expect([...kids[0]]).toEqual([...kids[1]]);
}, 120_000);
