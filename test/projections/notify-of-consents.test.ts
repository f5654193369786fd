import { afterEach, expect, test } from '@jest/globals';
import { Subject } from 'rxjs';
import { systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { eventNotification, toldIn } from '../../src/domain/event-notification/decider.ts';
import { StoreStopped } from '../../src/domain/ports/event-store.ts';
import { eventNotifications, notificationsToMake, openNotifications } from '../../src/projections/event-notifications.ts';
import { notifyOfConsents } from '../../src/projections/reactions/notify-of-consents.ts';
import { runReactions } from '../../src/projections/reactions/runner.ts';
import { runProjections } from '../../src/projections/runner.ts';
import { standingClock } from '../support/clock.ts';
import { eventNotificationSteps } from '../support/event-notification-steps.ts';
import { racingStore } from '../support/racing-store.ts';
import { steps } from '../support/steps.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Everything in memory answers within a few turns of the event loop. */
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 30; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

const world = async () => {
  const { clock } = standingClock();
  const store = racingStore(inMemoryEventStore());
  const ports = { store, sealer: psuKeys(':memory:', Buffer.alloc(32, 1)), clock, ids: systemIds };
  const all = { ...steps(ports), ...eventNotificationSteps(ports) };
  await all.registerClient('tpp');
  await all.subscribe('s-1', 'tpp', ['Consent-Authorization-Revoked', 'Resource-Update']);
  await all.lodge('c-1', 'tpp');
  return {
    ...all,
    ports,
    /** A node whose reaction runs; `lost` says which of its appends it does not live to see. */
    async node({ lost = 0 } = {}) {
      const rows = sqliteRows(':memory:');
      const running = runProjections(store, rows, [eventNotifications], await store.head());
      await running.caughtUp;
      const time = new Subject<void>();
      const faults: unknown[] = [];
      let appends = 0;
      const decide: typeof all.decide = async (...given) => {
        appends += 1;
        if (appends === lost) throw new StoreStopped('the process died');
        return all.decide(...given);
      };
      const reactions = runReactions({
        reactions: [notifyOfConsents({ ...ports, ...all, decide, rows })],
        applied: running.applied,
        time,
        onError: (_, error) => faults.push(error),
      });
      closing.push(
        () => running.stop(),
        () => reactions.stop(),
      );
      await settled();
      return { rows, faults };
    },
    notifications: async () => (await store.readAll(0, 1000)).filter(({ type }) => type === 'EventNotificationCreated'),
  };
};

test('a consent that was revoked while nobody watched is told of after the start', async () => {
  const { node, notifications, revokeConsent } = await world();
  await revokeConsent('c-1');
  const { rows } = await node();
  const [one, ...more] = await notifications();
  expect([more, notificationsToMake(rows, 10)]).toEqual([[], []]);
  expect(one?.actor).toEqual({ kind: 'engine', id: 'notify-of-consents' });
  expect(openNotifications(rows, 'tpp', 10)).toEqual([one?.stream.replace('eventNotification-', '')]);
});

test('what a crash lost is made by the next start, and made twice it is one', async () => {
  const { node, notifications, revokeConsent } = await world();
  const dying = await node({ lost: 1 });
  await revokeConsent('c-1');
  await settled();
  expect([dying.faults.length, await notifications()]).toEqual([1, []]);
  await node();
  expect(await notifications()).toHaveLength(1);
});

test('two nodes that meet make one', async () => {
  const { ports, node, notifications, revokeConsent } = await world();
  await node();
  await node();
  const { eventIds } = await revokeConsent('c-1');
  ports.store.gather(`eventNotification-${systemIds.derived(`notify/${eventIds[0]}`)}`, 2);
  await settled();
  expect(await notifications()).toHaveLength(1);
});

test('an amendment and the end after it are two; a consent of a request’s own is none', async () => {
  const { node, notifications, amendConsent, revokeConsent, expireConsent, ask, lodge } = await world();
  await node();
  await amendConsent('c-1', 'other terms');
  await settled();
  await revokeConsent('c-1');
  await expireConsent('c-1');
  await ask('r-1', { clientId: 'tpp', psuId: 'alice', consentId: null });
  await revokeConsent('r-1');
  await lodge('c-2', 'another');
  await revokeConsent('c-2');
  await settled();
  expect((await notifications()).map(({ data }) => JSON.parse(data).eventTypes)).toEqual([
    ['Resource-Update'],
    ['Consent-Authorization-Revoked'],
  ]);
});

test('what is said of an amendment is what it made of the consent, also where the consent has ended since', async () => {
  const { node, notifications, amendConsent, revokeConsent, ports, load } = await world();
  await amendConsent('c-1', 'other terms');
  await revokeConsent('c-1');
  await node();
  const told = (await notifications()).map(async ({ stream }) => {
    const state = await load(eventNotification, stream.replace('eventNotification-', ''));
    return state.status === 'absent' ? {} : toldIn(state, ports.sealer);
  });
  const said = Object.assign({}, ...(await Promise.all(told)));
  expect(said).toMatchObject({
    'Resource-Update': { status: 'awaitingAuthorisation' },
    'Consent-Authorization-Revoked': { status: 'revoked' },
  });
});

test('nobody is told any more who has unsubscribed or is disabled', async () => {
  const { node, notifications, subscribe, unsubscribe, disableClient, lodge, revokeConsent, registerClient, tell } = await world();
  const { rows } = await node();
  await unsubscribe('s-1', 'tpp');
  await registerClient('ended');
  await subscribe('s-2', 'ended', ['Consent-Authorization-Revoked']);
  await lodge('c-2', 'ended');
  await tell('n-1', 'ended');
  await disableClient('ended');
  for (const consentId of ['c-1', 'c-2']) await revokeConsent(consentId);
  await settled();
  expect((await notifications()).map(({ stream }) => stream)).toEqual(['eventNotification-n-1']);
  expect(openNotifications(rows, 'ended', 10)).toEqual([]);
});
