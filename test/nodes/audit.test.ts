import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { verify } from '../../src/cli/verify.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import type { Fact, Found, State } from '../audit/support.ts';
import { answer, ask, type Nodes, nodesOver, pollOf, type ServedNode } from '../support/nodes.ts';
import { temporaryFolder } from '../support/served.ts';

let nodes: Nodes;
let one: ServedNode;
let two: ServedNode;
let consentId: string;
/** What an auditor is told by the second node, who has the token from the first. */
let asked: (path: string) => Promise<string>;
beforeAll(async () => {
  nodes = await nodesOver({}, { nodes: 3 });
  [one, two] = await Promise.all([nodes.serve(), nodes.serve()]);
  const tpp = await nodes.client();
  const { authReqId, requestId } = await ask(one, tpp);
  await answer(await nodes.phone(one.fetch), requestId);
  expect((await two.post('/oauth2/token', pollOf(tpp, authReqId))).status).toBe(200);
  consentId = requestId;
  const auditor = await nodes.client({ grant_types: ['client_credentials'], scope: 'audit' });
  const { body } = await one.post('/oauth2/token', { ...auditor, grant_type: 'client_credentials', scope: 'audit' });
  const headers = { authorization: `Bearer ${body.access_token}`, 'countersign-purpose': 'complaint 4711' };
  asked = async (path) => {
    const response = await two.fetch(`${nodes.issuer}/audit/v1${path}`, { headers });
    const text = await response.text();
    expect([path, response.status, response.status === 200 ? '' : text]).toEqual([path, 200, '']);
    return text;
  };
}, 60_000);
afterAll(async () => {
  await nodes.close();
  expect([one, two].map(({ faults }) => faults)).toEqual([[], []]);
});

const ofConsent = async (): Promise<StoredEvent[]> => (await nodes.log()).filter(({ stream }) => stream === `consent-${consentId}`);

test('an auditor reads at one node what was recorded at another: the facts of a consent, and its state at any of their positions', async () => {
  const { facts } = JSON.parse(await asked(`/consents/${consentId}/history`)) as Found;
  const positions = new Map((await nodes.log()).map(({ position, type }) => [position, type]));
  expect(facts.length).toBeGreaterThan(6);
  expect(facts.map(({ position, type }) => [position, type])).toEqual(facts.map(({ position }) => [position, positions.get(position)]));
  const [lodged, authorised] = await ofConsent();
  const stateAsOf = async (position = 0) => {
    const { as_of, streams } = JSON.parse(await asked(`/consents/${consentId}/state?as_of=${position}`)) as State;
    return { as_of, consent: streams.find(({ stream }) => stream === `consent-${consentId}`) };
  };
  const then = await stateAsOf(lodged?.position);
  expect(then).toMatchObject({ as_of: lodged?.position, consent: { revision: 0, position: lodged?.position } });
  // Where nothing of the log stands.
  const between = await stateAsOf((authorised?.position ?? 0) - 1);
  expect(between.consent).toEqual(then.consent);
  const later = await stateAsOf(authorised?.position);
  expect(later.consent).toMatchObject({ revision: 1, position: authorised?.position });
  expect(later.consent?.state).not.toEqual(then.consent?.state);
});

test('an export of a range holds what stands between two positions, also where nothing stands at them', async () => {
  const log = await nodes.log();
  const [from = 0, to = 0] = [log[1]?.position, log[8]?.position];
  const positionsIn = async (range: string) =>
    (await asked(`/export?${range}`))
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as Fact).position);
  const between = log.slice(2, 9).map(({ position }) => position);
  expect(await positionsIn(`from=${from}&to=${to}`)).toEqual(between);
  expect(await positionsIn(`from=${from + 1}&to=${to + 1}`)).toEqual(between);
});

test.each([
  ['the evidence of a consent', () => `/consents/${consentId}/evidence`, { extent: 'consent', tokens: 1 }],
  ['an export of everything', () => '/export?format=bundle', { extent: 'range', tokens: 2 }],
])('%s is verified without any node', async (_, path, holds) => {
  const source = join(temporaryFolder(), 'bundle.jsonl');
  writeFileSync(source, await asked(path()));
  const key = (await (await one.fetch(`${nodes.issuer}/tlog/key`)).text()).trim();
  const of = { source, checkpoints: [], key, witnesses: [], quorum: null, keys: null, json: true, consentId: null };
  const printed: string[] = [];
  expect(await verify(of, { print: (line) => void printed.push(line), progress: null })).toBe(true);
  expect(JSON.parse(printed.at(-1) as string)).toMatchObject({ verdict: 'no doubt', signatures: 1, ...holds });
});
