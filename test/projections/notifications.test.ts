import { afterEach, describe, expect, test } from '@jest/globals';
import { Subject } from 'rxjs';
import { systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { temporarySigningKeys } from '../../src/adapters/keys/signing-keys.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { makeIssueTokens } from '../../src/api/tpp/issue-tokens.ts';
import { makeOpenPushedGrant } from '../../src/api/tpp/pushed-grant.ts';
import { makeTokens } from '../../src/api/tpp/tokens.ts';
import { type Outbound, OutboundFailed, OutboundRefused, type OutboundRequest } from '../../src/domain/ports/outbound.ts';
import { projections } from '../../src/projections/all.ts';
import { notificationsDueAt } from '../../src/projections/notifications-due.ts';
import { CALLS_PER_CLIENT } from '../../src/projections/reactions/call-client.ts';
import { pingClient } from '../../src/projections/reactions/ping-client.ts';
import { pushTokens } from '../../src/projections/reactions/push-tokens.ts';
import { runReactions } from '../../src/projections/reactions/runner.ts';
import { runProjections } from '../../src/projections/runner.ts';
import { standingClock } from '../support/clock.ts';
import { authReqIdOf, steps } from '../support/steps.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Everything in memory answers within a few turns of the event loop. */
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 60; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

type Answer = (request: OutboundRequest) => Promise<{ status: number }>;
const takes: Answer = async () => ({ status: 204 });

/** A node without its API: Alice with a phone, TPPs that are pinged or pushed to, and reactions that begin when they are told. */
const node = async (answer: Answer = takes) => {
  const { clock, pass } = standingClock();
  const store = inMemoryEventStore();
  const ports = { store, sealer: psuKeys(':memory:', Buffer.alloc(32, 1)), clock, ids: systemIds };
  const rows = sqliteRows(':memory:');
  const world = steps(ports);
  const running = runProjections(store, rows, projections, 0);
  closing.push(() => running.stop());
  const calls: OutboundRequest[] = [];
  const outbound: Outbound = {
    check: async () => undefined,
    async fetch(request) {
      calls.push(request);
      return { headers: {}, body: '', ...(await answer(request)) };
    },
  };
  for (const mode of ['ping', 'push'] as const)
    for (const clientId of [mode, `other-${mode}`])
      await world.registerClient(clientId, {
        backchannel_token_delivery_mode: mode,
        backchannel_client_notification_endpoint: `https://${clientId}.example/cb`,
      });
  await world.offerEnrolment('phone', 'alice');
  await world.registerDevice('phone', null);
  const time = new Subject<void>();
  const faults: unknown[] = [];
  // Tokens need no real signature here: what they say is tested elsewhere.
  const signer = { ...temporarySigningKeys(), sign: async () => systemIds.secret() };
  const settings = {
    issuer: '',
    audience: '',
    consentIdClaim: 'consent_id',
    accessTokenSeconds: 600,
    idTokenSeconds: 600,
    refreshTokenSeconds: 600,
  };
  const tokens = makeTokens({ signer, ids: systemIds, settings });
  const deps = { ...ports, ...world, rows, outbound };
  return {
    ...world,
    rows,
    calls,
    faults,
    clock,
    due: (mode: 'ping' | 'push') =>
      notificationsDueAt(rows, mode, { at: clock(), perClient: 1000, limit: 1000 }).map((row) => row.requestId),
    async react() {
      const openPushedGrant = makeOpenPushedGrant({ ...deps, issueTokens: makeIssueTokens({ ...deps, tokens }) });
      const reactions = runReactions({
        reactions: [pingClient(deps), pushTokens({ ...deps, openPushedGrant })],
        applied: running.applied,
        time,
        onError: (_, error) => faults.push(error),
      });
      closing.unshift(() => reactions.stop());
      await settled();
    },
    async pass(seconds: number) {
      await settled();
      pass(seconds);
      time.next();
      await settled();
    },
    /** A request that Alice has answered on her phone; the answer has not reached the consent. */
    async answered(requestId: string, clientId = 'ping', verdict: 'approved' | 'denied' = 'approved') {
      const deliveryMode = clientId.endsWith('push') ? 'push' : 'ping';
      await world.ask(requestId, { clientId, psuId: 'alice', consentId: null, deliveryMode });
      await world.show(requestId, 'phone');
      await world.answer(requestId, 'phone', verdict);
    },
    facts: async (...types: string[]) =>
      (await store.readAll(0, 1_000_000))
        .filter((event) => types.includes(event.type))
        .map(({ type, stream, actor, correlationId, data }) => ({ type, stream, actor: actor.id, correlationId, ...JSON.parse(data) })),
  };
};

const ATTEMPTS = ['ClientNotificationAccepted', 'ClientNotificationRejected'];
const bodies = (calls: readonly OutboundRequest[]) => calls.map(({ body }) => JSON.parse(body ?? '').auth_req_id);

describe('an approval is told', () => {
  test('when it has become the consent’s, not before', async () => {
    const world = await node();
    await world.react();
    await world.answered('r-1');
    await world.pass(100);
    expect(world.calls).toEqual([]);
    await world.persist('r-1');
    await settled();
    expect(bodies(world.calls)).toEqual([authReqIdOf('r-1')]);
    expect(await world.facts(...ATTEMPTS)).toMatchObject([
      { type: 'ClientNotificationAccepted', stream: 'notification-r-1', actor: 'ping-client', correlationId: 'r-1', status: 204 },
    ]);
    await world.pass(100);
    expect(world.calls).toHaveLength(1);
    expect(world.faults).toEqual([]);
  });

  test('also when its consent was gone before it came there', async () => {
    const world = await node();
    await world.react();
    await world.lodge('c-1', 'ping');
    await world.ask('r-1', { clientId: 'ping', psuId: 'alice', consentId: 'c-1', deliveryMode: 'ping' });
    await world.show('r-1', 'phone');
    await world.answer('r-1', 'phone', 'approved');
    await world.revokeConsent('c-1');
    await world.persist('r-1');
    await world.pass(1);
    expect(world.calls).toEqual([]);
    await world.pass(1);
    expect(bodies(world.calls)).toEqual([authReqIdOf('r-1')]);
  });

  test('also when it was recorded before a crash', async () => {
    const world = await node();
    await world.answered('r-1');
    await world.persist('r-1');
    expect(world.calls).toEqual([]);
    await world.react();
    expect(world.calls).toHaveLength(1);
  });

  test('to nobody who is disabled', async () => {
    const world = await node();
    await world.answered('r-1');
    await world.persist('r-1');
    await world.disableClient('ping');
    await world.react();
    expect(world.calls).toEqual([]);
    expect(await world.facts(...ATTEMPTS)).toMatchObject([{ reason: 'client_disabled', status: null, retryAt: null }]);
  });

  test.each([
    [new OutboundFailed('connection_failed'), 'connection_failed', true],
    [new OutboundFailed('timeout'), 'timeout', true],
    [new OutboundFailed('name_not_resolved'), 'name_not_resolved', true],
    [new OutboundRefused('redirect'), 'redirect', false],
    [new OutboundRefused('address_not_public'), 'address_not_public', false],
    [new OutboundRefused('too_large'), 'too_large', false],
  ])('again, or not, after: %s', async (error, reason, again) => {
    const world = await node(() => Promise.reject(error));
    await world.answered('r-1');
    await world.persist('r-1');
    await world.react();
    await world.pass(3);
    expect(world.calls).toHaveLength(again ? 2 : 1);
    expect(await world.facts(...ATTEMPTS)).toMatchObject(Array(again ? 2 : 1).fill({ reason, status: null }));
    expect(world.due('ping')).toEqual([]);
  });
});

describe('a consent that two must agree to', () => {
  const joint = async (mode: 'ping' | 'push') => {
    const world = await node();
    await world.react();
    await world.offerEnrolment('other-phone', 'bob');
    await world.registerDevice('other-phone', null);
    await world.lodgeJoint('c-1', mode, ['alice', 'bob']);
    await world.uploadFile('c-1', 'file');
    const agree = async (requestId: string, psuId: string, deviceId: string) => {
      await world.ask(requestId, { clientId: mode, psuId, consentId: 'c-1', deliveryMode: mode });
      await world.show(requestId, deviceId);
      await world.answer(requestId, deviceId, 'approved');
      await world.persist(requestId);
      await settled();
    };
    await agree('r-alice', 'alice', 'phone');
    await world.pass(100);
    return { world, bobAgrees: () => agree('r-bob', 'bob', 'other-phone') };
  };

  test.each(['ping', 'push'] as const)(
    'is told in the mode %s when the last has, once for each, and not looked at before',
    async (mode) => {
      const { world, bobAgrees } = await joint(mode);
      expect([world.calls, world.due(mode)]).toEqual([[], []]);
      await bobAgrees();
      await world.pass(100);
      expect(bodies(world.calls).toSorted()).toEqual([authReqIdOf('r-alice'), authReqIdOf('r-bob')].toSorted());
      expect(world.due(mode)).toEqual([]);
    },
  );

  test.each([
    ['is revoked', 'revokeConsent'],
    ['is amended', 'amendConsent'],
  ] as const)('is told when it %s instead', async (_, what) => {
    const { world } = await joint('ping');
    await world[what]('c-1', 'other terms');
    await settled();
    expect(bodies(world.calls)).toEqual([authReqIdOf('r-alice')]);
  });
});

describe('many notifications', () => {
  test('call one client a bounded number of times at once, and another meanwhile', async () => {
    const open = new Set<() => void>();
    let most = 0;
    const world = await node(async ({ url }) => {
      if (url.includes('other')) return { status: 204 };
      await new Promise<void>((resolve) => {
        open.add(resolve);
        most = Math.max(most, open.size);
      });
      return { status: 204 };
    });
    const count = CALLS_PER_CLIENT * 2 + 3;
    for (let n = 0; n < count; n += 1) {
      await world.answered(`r-${n}`);
      await world.persist(`r-${n}`);
    }
    await world.answered('r-other', 'other-ping');
    await world.persist('r-other');
    await world.react();
    expect(open.size).toBe(CALLS_PER_CLIENT);
    expect(bodies(world.calls)).toContain(authReqIdOf('r-other'));
    for (let round = 0; round < 10; round += 1) {
      for (const answer of [...open]) {
        open.delete(answer);
        answer();
      }
      await settled();
      await world.pass(1);
    }
    expect(most).toBe(CALLS_PER_CLIENT);
    expect(new Set(bodies(world.calls)).size).toBe(count + 1);
    expect(world.calls).toHaveLength(count + 1);
  });
});

describe('tokens that are pushed', () => {
  test('are recorded with their grant before the first attempt, and sealed', async () => {
    const before: string[][] = [];
    const world = await node(async () => {
      before.push((await world.facts('GrantOpened', 'TokenResponseKept')).map(({ type }) => type));
      return { status: 204 };
    });
    await world.react();
    await world.answered('r-1', 'push');
    await world.persist('r-1');
    await settled();
    expect(before).toEqual([['GrantOpened', 'TokenResponseKept']]);
    expect(world.due('push')).toEqual([]);
  });

  test('are revoked when they were not taken, also when the process died in between', async () => {
    const world = await node();
    await world.answered('r-1', 'push');
    await world.persist('r-1');
    await world.redeem('r-1');
    await world.openGrant('r-1');
    await world.notify('r-1', { outcome: 'refused', reason: 'http_status', status: 400 });
    expect(world.due('push')).toEqual(['r-1']);
    await world.react();
    expect(await world.facts('GrantRevoked')).toMatchObject([{ stream: 'grant-r-1', actor: 'push-tokens', reason: 'not_delivered' }]);
    expect([world.calls, world.due('push')]).toEqual([[], []]);
  });

  test('are revoked when the first attempt that ended it was refused, whatever another node was told', async () => {
    const world = await node();
    await world.answered('r-1', 'push');
    await world.persist('r-1');
    await world.redeem('r-1');
    await world.openGrant('r-1');
    await world.notify('r-1', { outcome: 'refused', reason: 'http_status', status: 400 });
    await world.notify('r-1', { outcome: 'accepted', status: 204 });
    expect(world.due('push')).toEqual(['r-1']);
    await world.react();
    expect(await world.facts(...ATTEMPTS)).toMatchObject([{ status: 400, retryAt: null }, { status: 204 }]);
    expect(await world.facts('GrantRevoked')).toMatchObject([{ stream: 'grant-r-1', reason: 'not_delivered' }]);
    expect([world.calls, world.due('push')]).toEqual([[], []]);
  });

  test('stay when the first attempt was accepted, whatever another node was told', async () => {
    const world = await node();
    await world.answered('r-1', 'push');
    await world.persist('r-1');
    await world.redeem('r-1');
    await world.openGrant('r-1');
    await world.notify('r-1', { outcome: 'accepted', status: 204 });
    await world.notify('r-1', { outcome: 'refused', reason: 'http_status', status: 400 });
    await world.react();
    expect([await world.facts('GrantRevoked'), world.calls, world.due('push')]).toEqual([[], [], []]);
  });

  test('are not sent once their grant is revoked', async () => {
    const world = await node();
    await world.answered('r-1', 'push');
    await world.persist('r-1');
    await world.redeem('r-1');
    await world.openGrant('r-1');
    await world.revokeGrant('r-1');
    await world.react();
    expect(world.calls).toEqual([]);
    expect(await world.facts(...ATTEMPTS)).toMatchObject([{ reason: 'grant_revoked', retryAt: null }]);
    expect(world.due('push')).toEqual([]);
  });

  test('are none when the request has ended before: the client is sent the error, once', async () => {
    const world = await node(async () => ({ status: 503 }));
    await world.answered('r-1', 'push');
    await world.persist('r-1');
    await world.pass(301);
    await world.react();
    await world.pass(100);
    expect(world.calls.map(({ body }) => JSON.parse(body ?? ''))).toEqual([
      { auth_req_id: authReqIdOf('r-1'), error: 'expired_token', error_description: 'auth_req_id has expired' },
    ]);
    expect(await world.facts(...ATTEMPTS)).toMatchObject([{ reason: 'http_status', status: 503, retryAt: null }]);
    expect([await world.facts('GrantOpened', 'CibaRequestRedeemed'), world.due('push'), world.faults]).toEqual([[], [], []]);
  });

  test('are not sent after the end of the request, and are revoked', async () => {
    const world = await node();
    await world.answered('r-1', 'push');
    await world.persist('r-1');
    await world.redeem('r-1');
    await world.openGrant('r-1');
    await world.pass(301);
    await world.react();
    expect(await world.facts(...ATTEMPTS)).toMatchObject([{ reason: 'request_expired', retryAt: null }]);
    expect(await world.facts('GrantRevoked')).toMatchObject([{ stream: 'grant-r-1', reason: 'not_delivered' }]);
    expect([world.calls, world.due('push')]).toEqual([[], []]);
  });

  test('are none when the PSU has refused, which is told also after the end of the request', async () => {
    const world = await node();
    await world.answered('r-1', 'push', 'denied');
    await world.pass(301);
    await world.react();
    expect(world.calls.map(({ body }) => JSON.parse(body ?? ''))).toMatchObject([
      { auth_req_id: authReqIdOf('r-1'), error: 'access_denied' },
    ]);
  });

  test('are none when the consent was revoked before: the client is sent the error', async () => {
    const world = await node();
    await world.answered('r-1', 'push');
    await world.persist('r-1');
    await world.revokeConsent('r-1');
    await world.react();
    await world.pass(2);
    expect(world.calls.map(({ body }) => JSON.parse(body ?? ''))).toMatchObject([
      { auth_req_id: authReqIdOf('r-1'), error: 'access_denied' },
    ]);
    expect(await world.facts('GrantOpened', 'CibaRequestRedeemed')).toEqual([]);
  });
});
