import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { inMemoryPushSender } from '../../src/adapters/push/in-memory.ts';
import type { Phone } from '../../src/demo/phone.ts';
import { answer, ask, type Form, inTurn, type Nodes, nodesOver, pollOf, type ServedNode, until, type Way } from '../support/nodes.ts';
import { type NotificationEndpoint, notificationEndpoint } from '../support/notification-endpoint.ts';

const ASKED = 20;

let nodes: Nodes;
let endpoint: NotificationEndpoint;
let first: ServedNode;
let second: ServedNode;
let tpp: Form;
let phone: Phone;
let way: Way;
const pushes = { first: inMemoryPushSender(), second: inMemoryPushSender() };
beforeAll(async () => {
  endpoint = await notificationEndpoint({ plain: true });
  nodes = await nodesOver({ COUNTERSIGN_OUTBOUND_ALLOWED_HOSTS: new URL(endpoint.url).host });
  first = await nodes.serve({ instead: { pushSender: pushes.first } });
  second = await nodes.serve({ instead: { pushSender: pushes.second } });
  tpp = await nodes.client({}, endpoint.url);
  way = inTurn(nodes, [first, second]);
  phone = await nodes.phone((url, init) => way.fetch(url, init), 'a-push-token');
});
afterAll(async () => {
  await nodes.close();
  await endpoint.close();
  expect([first, second].map(({ faults }) => faults)).toEqual([[], []]);
});

const askAll = () => Promise.all(Array.from({ length: ASKED }, () => ask(way, tpp, { client_notification_token: 'a-token' })));
const factsOf = async (type: string) => (await nodes.log()).filter((event) => event.type === type).map(({ data }) => JSON.parse(data));
const ids = (some: readonly { requestId: string }[]) => some.map(({ requestId }) => requestId).toSorted();

test('one of two nodes wakes phones and calls clients, each once', async () => {
  const asked = await askAll();
  await until(async () => (await factsOf('DevicePushAccepted')).length === ASKED);
  for (const { requestId } of asked) await answer(phone, requestId);
  await until(async () => (await factsOf('ClientNotificationAccepted')).length === ASKED);
  expect([ids(pushes.first.wakeUps), pushes.second.wakeUps]).toEqual([ids(asked), []]);
  expect(endpoint.calls.map(({ body }) => body['auth_req_id']).toSorted()).toEqual(asked.map(({ authReqId }) => authReqId).toSorted());
  const facts = [...(await factsOf('DevicePushAccepted')), ...(await factsOf('ClientNotificationAccepted'))];
  expect(facts.filter(({ mayRepeat }) => mayRepeat)).toEqual([]);
  for (const { authReqId } of asked) expect((await way.post('/oauth2/token', pollOf(tpp, authReqId))).status).toBe(200);
});

test('it hands that over when it stops, and nothing is done twice', async () => {
  const before = await askAll();
  const leaving = first.close();
  way = second;
  const after = await askAll();
  await leaving;
  const left = performance.now();
  await until(async () => (await factsOf('DevicePushAccepted')).length === 3 * ASKED);
  // The other looks every two seconds.
  expect(performance.now() - left).toBeLessThan(5000);
  const woken = ids([...pushes.first.wakeUps.slice(ASKED), ...pushes.second.wakeUps]);
  expect(woken).toEqual(ids([...before, ...after]));
  for (const { requestId } of [...before, ...after]) await answer(phone, requestId);
  await until(async () => (await factsOf('ClientNotificationAccepted')).length === 3 * ASKED);
  expect(endpoint.calls).toHaveLength(3 * ASKED);
});
