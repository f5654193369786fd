import { afterEach, describe, expect, test } from '@jest/globals';
import { inMemoryPushSender } from '../../src/adapters/push/in-memory.ts';
import { accountsIn, type Fetch, PhoneError } from '../../src/demo/phone.ts';
import { ask, inTurn, type Nodes, nodesOver, pollOf, until, type Way } from '../support/nodes.ts';
import { checkLog, type Finished } from './log-checks.ts';

// The short form runs in CI; `npm run campaign:nodes` sets a longer one.
const OUTAGE_MS = Number(process.env['OUTAGE_SECONDS'] ?? 3) * 1000;
const WORKERS = 6;
// As the nodes say: a second, which is the pace of polls as well.
const AGAIN_MS = 1100;

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

const passed = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** The store goes away; what brings it back. */
type Outage = (cluster: Nodes['cluster']) => () => Promise<unknown>;
const OUTAGES: [string, Outage][] = [
  [
    'refuses connections',
    ({ nodes }) => {
      for (const node of nodes) node.stop();
      return () => Promise.all(nodes.map((node) => node.start()));
    },
  ],
  [
    'stands still',
    ({ nodes }) => {
      const letGo = nodes.map((node) => node.stall());
      return async () => {
        for (const go of letGo) go();
      };
    },
  ],
  [
    'has no leader, and then another one',
    (cluster) => {
      cluster.elect(null);
      return async () => cluster.elect(cluster.nodes[1] ?? null);
    },
  ],
];

describe('the store of two nodes', () => {
  test.each(OUTAGES)(
    `that %s for ${OUTAGE_MS / 1000} s: no wrong answer, no readiness, then everything goes on`,
    async (_, outage) => {
      const nodes = await nodesOver({ COUNTERSIGN_STORE_KURRENTDB_DEADLINE_MS: '400' }, { nodes: 3 });
      opened.push(nodes);
      const pushSender = inMemoryPushSender();
      const both = await Promise.all([nodes.serve({ instead: { pushSender } }), nodes.serve({ instead: { pushSender } })]);
      const tpp = await nodes.client();
      let refusals = 0;
      /** A refusal because of the store says when to come again. */
      const watched =
        ({ fetch }: Way): Fetch =>
        async (url, init) => {
          const response = await fetch(url, init);
          if (response.status === 503) refusals += 1;
          if (response.status === 503) expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
          return response;
        };
      const way = inTurn(
        nodes,
        both.map((node) => ({ ...node, fetch: watched(node) })),
      );
      const phone = await nodes.phone(way.fetch, 'a-push-token');
      /** Again until it is answered, as the caller is told. */
      const answered = async <T>(call: () => Promise<T>, isRefusal: (outcome: T) => boolean): Promise<T> => {
        for (;;) {
          const outcome = await call();
          if (!isRefusal(outcome)) return outcome;
          await passed(AGAIN_MS);
        }
      };
      const proven = async <T>(call: () => Promise<T>): Promise<T> => {
        const outcome = await answered(
          () =>
            call().then(
              (value) => ({ value }),
              (error: unknown) => ({ error }),
            ),
          (one) => 'error' in one && one.error instanceof PhoneError && one.error.status === 503,
        );
        if ('error' in outcome) throw outcome.error;
        return outcome.value;
      };

      const finished: Finished[] = [];
      let ended = false;
      const work = async () => {
        while (!ended) {
          const asked = await answered(
            () => ask(way, tpp).catch((error: Error) => (error.message.startsWith('503') ? null : Promise.reject(error))),
            (one) => one === null,
          );
          const { authReqId, requestId } = asked as NonNullable<typeof asked>;
          const shown = await proven(() => phone.retrieve(requestId));
          const signed = await phone.sign(shown, 'approved', accountsIn(shown));
          await proven(() => phone.send(requestId, signed));
          const { status, body } = await answered(
            () => way.post('/oauth2/token', pollOf(tpp, authReqId)),
            ({ status, body }) => status === 503 || body.error === 'authorization_pending',
          );
          // A redemption whose answer was a refusal may have been kept: then nobody gets its tokens.
          if (status !== 200) expect([status, body.error, refusals > 0]).toEqual([400, 'invalid_grant', true]);
          finished.push({ authReqId, requestId, token: body.access_token ?? null });
        }
      };
      const working = Promise.all(Array.from({ length: WORKERS }, work));
      const readiness = async () => Promise.all(both.map(async ({ fetch }) => (await fetch(`${nodes.issuer}/readyz`)).status));
      const going = (holds: Parameters<typeof until>[0]) => Promise.race([until(holds), working]);

      await going(() => finished.length >= WORKERS);
      expect(await readiness()).toEqual([200, 200]);
      const goneAt = performance.now();
      const back = outage(nodes.cluster);
      await going(async () => (await readiness()).every((status) => status === 503));
      await passed(Math.max(0, OUTAGE_MS - (performance.now() - goneAt)));
      expect(refusals).toBeGreaterThan(0);
      await back();
      const before = finished.length;
      await going(() => finished.length >= before + 3 * WORKERS);
      await going(async () => (await readiness()).every((status) => status === 200));
      ended = true;
      await working;

      // Whoever was woken is recorded, as soon as the store takes it again; who has answered first is not woken.
      const pushes = async () =>
        (await nodes.log()).filter(({ type }) => type === 'DevicePushAccepted').map(({ data }) => JSON.parse(data));
      await until(async () => {
        const recorded = new Set((await pushes()).map(({ requestId }) => requestId));
        return pushSender.wakeUps.every(({ requestId }) => recorded.has(requestId));
      });
      checkLog(await nodes.log(), finished);
      for (const { requestId, mayRepeat } of await pushes())
        if (!mayRepeat) expect(pushSender.wakeUps.filter((one) => one.requestId === requestId)).toHaveLength(1);
      for (const { token } of finished)
        if (token !== null) expect((await way.post('/oauth2/introspect', { ...tpp, token })).body.active).toBe(true);
      expect(both.flatMap(({ faults }) => faults.filter(({ what }) => what === 'request'))).toEqual([]);
    },
    120_000 + 2 * OUTAGE_MS,
  );
});
