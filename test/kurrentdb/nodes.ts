import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Phone } from '../../src/demo/phone.ts';
import { answer, ask, type Form, inTurn, type Nodes, nodesIn, pollOf, type ServedNode, until, type Way } from '../support/nodes.ts';
import { realCluster, settingsOfNodes } from '../support/real-cluster.ts';

// `npm run test:kurrentdb`: what these nodes write stays, and where nodes of others are at work, with their master key, these do not start.
let nodes: Omit<Nodes, 'cluster'>;
let one: ServedNode;
let two: ServedNode;
let tpp: Form;
let phone: Phone;
beforeAll(async () => {
  nodes = await nodesIn(realCluster, settingsOfNodes);
  [one, two] = await Promise.all([nodes.serve(), nodes.serve()]);
  tpp = await nodes.client();
  phone = await nodes.phone(inTurn(nodes, [one, two]).fetch);
}, 120_000);
afterAll(async () => {
  // A PSU may have so many, and the next run enrols its own.
  await phone?.revokeDevice(phone.deviceId);
  await nodes.close();
  expect([one, two].map(({ faults }) => faults)).toEqual([[], []]);
});

const introspect = async (at: Way, token: string) => (await at.post('/oauth2/introspect', { ...tpp, token })).body.active;

test('a ceremony over two nodes yields one token set, which ends at both with its consent', async () => {
  const turn = inTurn(nodes, [one, two]);
  const { authReqId, requestId } = await ask(turn, tpp);
  await answer(phone, requestId);
  const answers = await Promise.all(Array.from({ length: 16 }, () => turn.post('/oauth2/token', pollOf(tpp, authReqId))));
  const winners = answers.filter(({ status }) => status === 200);
  expect(winners).toHaveLength(1);
  for (const { status, body } of answers) if (status !== 200) expect([status, body.error]).toEqual([400, 'invalid_grant']);
  const token = winners[0]?.body.access_token;
  expect([await introspect(one, token), await introspect(two, token)]).toEqual([true, true]);
  await phone.revokeConsent(requestId);
  for (const at of [one, two]) await until(async () => !(await introspect(at, token)));
}, 120_000);
