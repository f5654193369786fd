import { afterEach, describe, expect, test } from '@jest/globals';
import { inMemoryPushSender } from '../../src/adapters/push/in-memory.ts';
import { accountsIn, type Phone } from '../../src/demo/phone.ts';
import { startConnectProxy } from '../support/connect-proxy.ts';
import { type FcmServer, gate, startFcmServer } from '../support/fcm-server.ts';
import {
  answer,
  ask,
  type ChildNode,
  type FailingOver,
  type Form,
  failingOver,
  type Nodes,
  nodesOver,
  pollOf,
  until,
} from '../support/nodes.ts';
import { notificationEndpoint, silent, status } from '../support/notification-endpoint.ts';
import { checkLog, type Finished } from './log-checks.ts';

// The short form runs in CI; `npm run campaign:nodes` sets a longer one.
const SHORT = 2;
const KILLS = Number(process.env['KILLS'] ?? SHORT);
const WORKERS = 4;

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

/** Nodes whose phones are woken through a push service of this test, and an endpoint for clients. */
const outside = async () => {
  const fcm = await startFcmServer();
  const proxy = await startConnectProxy({ 'fcm.googleapis.com:443': fcm.port, 'oauth2.googleapis.com:443': fcm.port });
  const endpoint = await notificationEndpoint({ plain: true });
  opened.push(fcm, proxy, endpoint);
  const settings = {
    COUNTERSIGN_OUTBOUND_ALLOWED_HOSTS: new URL(endpoint.url).host,
    COUNTERSIGN_OUTBOUND_PROXY: proxy.url,
    COUNTERSIGN_OUTBOUND_CA_FILE: fcm.caFile,
    COUNTERSIGN_PUSH_FCM_SERVICE_ACCOUNT_FILE: fcm.serviceAccountFile,
  };
  const nodes = await nodesOver(settings, { nodes: 3 });
  opened.push(nodes);
  return { nodes, fcm, endpoint, tpp: await nodes.client({}, endpoint.url) };
};

const asking = (way: FailingOver | ChildNode, tpp: Form) => ask(way, tpp, { client_notification_token: 'a-token' });

/** A whole ceremony, each step of which is done again at the next node where one has died. */
const ceremony = async (way: FailingOver, phone: Phone, tpp: Form): Promise<Finished> => {
  const poll = () => way.doing(() => way.post('/oauth2/token', pollOf(tpp, authReqId)));
  const { authReqId, requestId } = await way.doing(() => asking(way, tpp));
  const shown = await way.doing(() => phone.retrieve(requestId));
  const signed = await phone.sign(shown, 'approved', accountsIn(shown));
  await way.doing(() => phone.send(requestId, signed));
  let outcome = await poll();
  for (; outcome.body.error === 'authorization_pending'; outcome = await poll()) await new Promise((resolve) => setTimeout(resolve, 1000));
  if (outcome.status !== 200) expect([outcome.status, outcome.body.error]).toEqual([400, 'invalid_grant']);
  return { requestId, authReqId, token: outcome.body.access_token ?? null };
};

const factsOf = async (nodes: Nodes, type: string): Promise<{ requestId: string; mayRepeat: boolean }[]> =>
  (await nodes.log()).filter((event) => event.type === type).map(({ data }) => JSON.parse(data));
/** What the first fact of a type says of a request, as soon as it is there. */
const factOf = async (nodes: Nodes, type: string, about: string) => {
  const find = async () => (await factsOf(nodes, type)).find(({ requestId }) => requestId === about);
  await until(async () => (await find()) !== undefined);
  return find();
};
const messagesOf = (fcm: FcmServer, requestId: string): number => fcm.messages.filter(({ text }) => text.includes(requestId)).length;

/** Kills the node when the log has grown by so many appends, before the answer to the last of them is written. */
const killBehind = ({ cluster }: Nodes, node: ChildNode, appends: number) => {
  let left = appends;
  const watch = cluster.log.commits.subscribe(([entry]) => {
    if (entry === undefined || /^(\$|countersign\.)/.test(entry.stream)) return;
    left -= 1;
    if (left === 0) node.process.kill('SIGKILL');
  });
  return {
    /** Whether it came to that. */
    stop() {
      watch.unsubscribe();
      return left <= 0;
    },
  };
};

describe('a node that is killed', () => {
  test('behind any append of a ceremony leaves it to the other, which finishes it: nothing is lost or doubled', async () => {
    const { nodes, endpoint, tpp } = await outside();
    const pushSender = inMemoryPushSender();
    const other = await nodes.serve({ instead: { pushSender } });
    let way = failingOver(nodes, [other]);
    const phone = await nodes.phone((url, init) => way.fetch(url, init), 'a-push-token');
    const finished: Finished[] = [];
    let next = nodes.spawn();
    for (let appends = 1, killed = true; killed; appends += 1) {
      const node = await next;
      next = nodes.spawn();
      way = failingOver(nodes, [node, other]);
      const killing = killBehind(nodes, node, appends);
      finished.push(await ceremony(way, phone, tpp));
      killed = killing.stop();
      await node.kill();
    }
    await (await next).kill();

    expect(finished.length).toBeGreaterThan(6);
    // The answer with the tokens can only be lost with the last append, or the ones that are made with it.
    expect(finished.filter(({ token }) => token === null).length).toBeLessThanOrEqual(3);
    await until(async () => (await factsOf(nodes, 'ClientNotificationAccepted')).length === finished.length);
    checkLog(await nodes.log(), finished);
    for (const { requestId, authReqId, token } of finished) {
      expect(pushSender.wakeUps.filter((one) => one.requestId === requestId)).toHaveLength(1);
      expect(endpoint.calls.filter(({ body }) => body['auth_req_id'] === authReqId)).toHaveLength(1);
      if (token !== null) expect((await other.post('/oauth2/introspect', { ...tpp, token })).body.active).toBe(true);
    }
    expect(other.faults).toEqual([]);
  }, 120_000);

  if (KILLS > SHORT)
    test('behind any append of a ceremony, each time the one on duty: what may have gone out twice says so, the rest went out once', async () => {
      const { nodes, fcm, endpoint, tpp } = await outside();
      const holder = () => Buffer.from(nodes.cluster.log.visible('countersign.duty')?.at(-1)?.data ?? []).toString();
      let onDuty = await nodes.spawn();
      await until(() => holder() !== '');
      let next = await nodes.spawn();
      let way = failingOver(nodes, [next]);
      const phone = await nodes.phone((url, init) => way.fetch(url, init), 'a-push-token');
      const finished: Finished[] = [];
      for (let appends = 1, killed = true; killed; appends += 1) {
        const held = holder();
        way = failingOver(nodes, [onDuty, next]);
        const killing = killBehind(nodes, onDuty, appends);
        const done = await ceremony(way, phone, tpp);
        finished.push(done);
        await factOf(nodes, 'ClientNotificationAccepted', done.requestId);
        killed = killing.stop();
        await onDuty.kill();
        await until(() => holder() !== held);
        onDuty = next;
        next = await nodes.spawn();
      }

      expect(finished.length).toBeGreaterThan(6);
      checkLog(await nodes.log(), finished);
      const [pushed, called] = [await factsOf(nodes, 'DevicePushAccepted'), await factsOf(nodes, 'ClientNotificationAccepted')];
      for (const { requestId, authReqId } of finished) {
        const [pushes, pings] = [pushed, called].map((facts) => facts.filter((fact) => fact.requestId === requestId));
        const [messages, calls] = [
          messagesOf(fcm, requestId),
          endpoint.calls.filter(({ body }) => body['auth_req_id'] === authReqId).length,
        ];
        // Who has answered is woken by nobody any more: what became of that push is not told where its node has died.
        expect(pushes?.length).toBeLessThanOrEqual(1);
        if (pushes?.[0]?.mayRepeat === false) expect(messages).toBe(1);
        expect(messages).toBeLessThanOrEqual(2);
        expect(pings).toHaveLength(1);
        if (!pings?.[0]?.mayRepeat) expect(calls).toBe(1);
        expect([1, 2]).toContain(calls);
      }
      expect(pushed.some(({ mayRepeat }) => !mayRepeat)).toBe(true);
      expect(new Set(called.map(({ mayRepeat }) => mayRepeat))).toEqual(new Set([true, false]));
    }, 1_200_000);

  test('while it wakes a phone and calls a client: the next one does both again, and says that it may be a repeat', async () => {
    const { nodes, fcm, endpoint, tpp } = await outside();
    const first = await nodes.spawn();
    await until(() => nodes.cluster.log.visible('countersign.duty') !== null);
    const second = await nodes.spawn();
    const phone = await nodes.phone(second.fetch, 'a-push-token');

    const called = await asking(second, tpp);
    expect(await factOf(nodes, 'DevicePushAccepted', called.requestId)).toMatchObject({ mayRepeat: false });
    endpoint.behaves(silent, status(204));
    await answer(phone, called.requestId);
    await endpoint.call(1);
    const held = gate();
    fcm.next(held.hold);
    const [woken] = await Promise.all([asking(second, tpp), held.held(1)]);
    await first.kill();
    held.release();

    expect(await factOf(nodes, 'DevicePushAccepted', woken.requestId)).toMatchObject({ mayRepeat: true });
    expect(await factOf(nodes, 'ClientNotificationAccepted', called.requestId)).toMatchObject({ mayRepeat: true });
    expect([messagesOf(fcm, woken.requestId), messagesOf(fcm, called.requestId), endpoint.calls.length]).toEqual([2, 1, 2]);
    const later = await asking(second, tpp);
    expect(await factOf(nodes, 'DevicePushAccepted', later.requestId)).toMatchObject({ mayRepeat: false });
    await answer(phone, later.requestId);
    expect(await factOf(nodes, 'ClientNotificationAccepted', later.requestId)).toMatchObject({ mayRepeat: false });
    expect([messagesOf(fcm, later.requestId), endpoint.calls.length]).toEqual([1, 3]);
  }, 60_000);

  test(`at any moment under load, ${KILLS} times: nothing is lost or doubled, and what may be a repeat says so`, async () => {
    const { nodes, fcm, endpoint, tpp } = await outside();
    const environments = [await nodes.environment(), await nodes.environment()];
    const alive = await Promise.all(environments.map((env) => nodes.spawn(env)));
    const phoneWay = failingOver(nodes, alive);
    const phone = await nodes.phone(phoneWay.fetch, 'a-push-token');
    const finished: Finished[] = [];
    let ended = false;
    const work = async (first: number) => {
      const way = failingOver(nodes, alive, first);
      const both: FailingOver = { ...way, doing: (step) => way.doing(() => phoneWay.doing(step)) };
      while (!ended) finished.push(await ceremony(both, phone, tpp));
    };
    const working = Promise.all(Array.from({ length: WORKERS }, (_, n) => work(n)));
    const further = async (count: number) => {
      const before = finished.length;
      await Promise.race([until(() => finished.length >= before + count), working]);
    };
    for (let kill = 0; kill < KILLS; kill += 1) {
      await further(1 + Math.floor(Math.random() * 10));
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 200));
      await alive[kill % 2]?.kill();
      await further(WORKERS);
      alive[kill % 2] = await nodes.spawn(environments[kill % 2] as Form);
    }
    ended = true;
    await working;

    const isDone = async () => {
      const told = new Set((await factsOf(nodes, 'ClientNotificationAccepted')).map(({ requestId }) => requestId));
      return finished.every(({ requestId }) => told.has(requestId));
    };
    await until(isDone);
    checkLog(await nodes.log(), finished);
    for (const { requestId, mayRepeat } of await factsOf(nodes, 'DevicePushAccepted'))
      if (!mayRepeat) expect(messagesOf(fcm, requestId)).toBe(1);
    for (const { requestId, mayRepeat } of await factsOf(nodes, 'ClientNotificationAccepted')) {
      const authReqId = finished.find((one) => one.requestId === requestId)?.authReqId;
      const calls = endpoint.calls.filter(({ body }) => body['auth_req_id'] === authReqId);
      if (!mayRepeat && authReqId !== undefined) expect(calls).toHaveLength(1);
    }
    const repeats = [...(await factsOf(nodes, 'DevicePushAccepted')), ...(await factsOf(nodes, 'ClientNotificationAccepted'))];
    expect(repeats.some(({ mayRepeat }) => !mayRepeat)).toBe(true);
  }, 3_600_000);
});
