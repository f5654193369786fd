import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { BehaviorSubject, type Observable, of, Subject } from 'rxjs';
import { systemIds } from '../../src/adapters/clock.ts';
import { openConsentSteps } from '../../src/adapters/consent-steps/from-settings.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { openLoginScript } from '../../src/adapters/login-script.ts';
import { inMemoryPushSender } from '../../src/adapters/push/in-memory.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { loadConfig } from '../../src/config.ts';
import { detailTypes } from '../../src/domain/authorization-details/registered.ts';
import type { PushOutcome, PushSender, WakeUp } from '../../src/domain/ports/push-sender.ts';
import { projections } from '../../src/projections/all.ts';
import { pushesDue } from '../../src/projections/device-lookup.ts';
import { waitingFor } from '../../src/projections/pending-requests.ts';
import { cancelRequests, expireConsents, expireRequests, revokeGrants } from '../../src/projections/reactions/end-what-is-over.ts';
import { finishAnswers } from '../../src/projections/reactions/finish-answers.ts';
import { pushToDevice } from '../../src/projections/reactions/push-to-device.ts';
import { type Due, runReactions } from '../../src/projections/reactions/runner.ts';
import { runProjections } from '../../src/projections/runner.ts';
import { findToken } from '../../src/projections/token-lookup.ts';
import { standingClock } from '../support/clock.ts';
import { people } from '../support/engine.ts';
import { steps } from '../support/steps.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  jest.useRealTimers();
});

/** Everything in memory answers within a few turns of the event loop. */
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 30; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** A node without its API: Alice with a phone, a TPP, and reactions that begin when they are told. */
const node = async (sender: PushSender = inMemoryPushSender()) => {
  const { clock, pass } = standingClock();
  const ports = { store: inMemoryEventStore(), sealer: psuKeys(':memory:', Buffer.alloc(32, 1)), clock, ids: systemIds };
  const rows = sqliteRows(':memory:');
  const world = steps(ports);
  const running = runProjections(ports.store, rows, projections, 0);
  closing.push(() => running.stop());
  await world.registerClient('tpp');
  await world.offerEnrolment('phone', 'alice');
  await world.registerDevice('phone', 'token of the phone');
  const time = new Subject<void>();
  const faults: unknown[] = [];
  return {
    ...world,
    rows,
    faults,
    async react() {
      const deps = { ...ports, ...world, rows, pushSender: sender };
      // Only phones of the reference are told more than that they are to look.
      const { config } = loadConfig({ env: {}, cwd: '/nonexistent' });
      const consentSteps = await openConsentSteps(config.consent.authorizeSteps, {
        ...ports,
        directory: people,
        onFault: (_, error) => faults.push(error),
      });
      const loginScript = await openLoginScript(null, { psuChannel: '', onFault: (_, error) => faults.push(error) });
      const telling = { ...config.wso2, consentSteps, detailTypes, directory: people, loginScript };
      const reactions = runReactions({
        reactions: [
          pushToDevice({ ...deps, ...telling }),
          finishAnswers(deps),
          expireRequests(deps),
          expireConsents(deps),
          cancelRequests(deps),
          revokeGrants(deps),
        ],
        applied: running.applied,
        time,
        onError: (_, error) => faults.push(error),
      });
      closing.unshift(() => reactions.stop());
      await settled();
    },
    /** Lets time pass for the clock and the reactions. */
    async pass(seconds: number) {
      await settled();
      pass(seconds);
      time.next();
      await settled();
    },
    /** The events of these types, oldest first. */
    facts: async (...types: string[]) =>
      (await ports.store.readAll(0, 1_000_000))
        .filter((event) => types.includes(event.type))
        .map(({ type, stream, actor, correlationId, data }) => ({ type, stream, actor: actor.id, correlationId, ...JSON.parse(data) })),
  };
};
type Node = Awaited<ReturnType<typeof node>>;

const PUSHES = ['DevicePushAccepted', 'DevicePushRejected'];
const ALICE = { clientId: 'tpp', psuId: 'alice', consentId: null } as const;

/** A request that Alice has approved on her phone; it has not reached the consent. */
const approve = async (world: Node, requestId: string, consentId: string | null = null) => {
  if (consentId !== null) await world.lodge(consentId, 'tpp');
  await world.ask(requestId, { ...ALICE, consentId });
  await world.show(requestId, 'phone');
  await world.answer(requestId, 'phone', 'approved');
};
/** The same with its tokens. */
const redeemed = async (world: Node, requestId: string, consentId: string | null = null) => {
  await approve(world, requestId, consentId);
  await world.persist(requestId);
  await world.redeem(requestId);
  await world.openGrant(requestId);
};

/** A push service that answers in turn what it is told, and the last of it for ever. */
const answering = (...outcomes: PushOutcome[]) => {
  let turn = 0;
  return inMemoryPushSender(() => outcomes[Math.min(turn++, outcomes.length - 1)] as PushOutcome);
};
const accepted: PushOutcome = { outcome: 'accepted', messageId: 'm-1' };
const refused: PushOutcome = { outcome: 'refused', reason: 'INVALID_ARGUMENT' };
const dead: PushOutcome = { outcome: 'dead', reason: 'UNREGISTERED' };
const retry = (afterSeconds: number | null = null): PushOutcome => ({ outcome: 'retry', reason: 'UNAVAILABLE', afterSeconds });

describe('a request wakes', () => {
  test('the devices of its PSU that have a push token, each once', async () => {
    const push = inMemoryPushSender();
    const world = await node(push);
    await world.offerEnrolment('tablet', 'alice');
    await world.registerDevice('tablet', 'token of the tablet');
    await world.offerEnrolment('old phone', 'alice');
    await world.registerDevice('old phone', null);
    await world.offerEnrolment("bob's", 'bob');
    await world.registerDevice("bob's", "token of bob's");
    await world.react();
    await world.ask('r-1', { ...ALICE, lifeSeconds: 120 });
    await world.pass(100);
    const sent = push.wakeUps.toSorted((one, other) => one.pushToken.localeCompare(other.pushToken));
    expect(sent).toEqual([
      { pushToken: 'token of the phone', requestId: 'r-1', ttlSeconds: 120 },
      { pushToken: 'token of the tablet', requestId: 'r-1', ttlSeconds: 120 },
    ]);
    expect(await world.facts(...PUSHES)).toMatchObject([
      { type: 'DevicePushAccepted', stream: 'push-r-1.phone.1', actor: 'push-to-device', correlationId: 'r-1', messageId: 'in-memory-r-1' },
      { type: 'DevicePushAccepted', stream: 'push-r-1.tablet.1' },
    ]);
  });

  test('them also when it was received before a crash', async () => {
    const push = inMemoryPushSender();
    const world = await node(push);
    await world.ask('r-1', ALICE);
    expect(push.wakeUps).toEqual([]);
    await world.react();
    expect(push.wakeUps).toHaveLength(1);
  });

  test('none twice at once, however long the push service takes', async () => {
    const answers: ((outcome: PushOutcome) => void)[] = [];
    const world = await node({ wake: () => new Promise((resolve) => answers.push(resolve)) });
    await world.react();
    await world.ask('r-1', ALICE);
    await world.pass(1);
    await world.pass(30);
    expect(answers).toHaveLength(1);
    answers[0]?.(accepted);
    await world.pass(30);
    expect(answers).toHaveLength(1);
    expect(await world.facts(...PUSHES)).toHaveLength(1);
  });

  test('a device again while the push service cannot take it, each time later, and each attempt is a fact', async () => {
    const push = answering(retry(), retry(), retry(20), accepted);
    const world = await node(push);
    await world.react();
    await world.ask('r-1', ALICE);
    const attempts: number[] = [];
    for (let second = 0; second < 60; second += 1) {
      await settled();
      attempts.push(push.wakeUps.length);
      await world.pass(1);
    }
    expect(attempts.indexOf(2)).toBe(1);
    expect(attempts.indexOf(3)).toBe(3);
    expect(attempts.indexOf(4)).toBe(23);
    expect(attempts.at(-1)).toBe(4);
    expect((await world.facts(...PUSHES)).map((fact) => fact.type)).toEqual([...Array(3).fill('DevicePushRejected'), 'DevicePushAccepted']);
    expect(push.wakeUps.map((wakeUp) => wakeUp.ttlSeconds)).toEqual([300, 299, 297, 277]);
  });

  test.each([
    ['accepted', accepted],
    ['refused', refused],
    ['dead', dead],
  ])('no device again after "%s"', async (_, outcome) => {
    const push = answering(retry(), outcome);
    const world = await node(push);
    await world.react();
    await world.ask('r-1', ALICE);
    for (let minute = 0; minute < 4; minute += 1) await world.pass(60);
    expect(push.wakeUps).toHaveLength(2);
    expect(await world.facts(...PUSHES)).toHaveLength(2);
  });

  test.each<[string, (world: Node) => Promise<unknown>]>([
    ['approved', (world) => world.show('r-1', 'phone').then(() => world.answer('r-1', 'phone', 'approved'))],
    ['denied', (world) => world.show('r-1', 'phone').then(() => world.answer('r-1', 'phone', 'denied'))],
    ['cancelled', (world) => world.cancel('r-1')],
    ['expired', (world) => world.pass(300)],
  ])('no device any more once it was %s', async (_, end) => {
    const push = answering(retry(40));
    const world = await node(push);
    await world.react();
    await world.ask('r-1', ALICE);
    await settled();
    await end(world);
    for (let minute = 0; minute < 6; minute += 1) await world.pass(60);
    expect(push.wakeUps).toHaveLength(1);
    expect(pushesDue(world.rows, Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
  });

  test('no device for which the next attempt would come too late', async () => {
    const push = answering(retry(120));
    const world = await node(push);
    await world.react();
    await world.ask('r-1', { ...ALICE, lifeSeconds: 120 });
    await settled();
    expect(await world.facts(...PUSHES)).toMatchObject([{ type: 'DevicePushRejected', retryAt: null }]);
    await world.pass(119);
    expect(push.wakeUps).toHaveLength(1);
  });

  test('no device that was revoked', async () => {
    const push = answering(retry());
    const world = await node(push);
    await world.react();
    await world.ask('r-1', ALICE);
    await settled();
    await world.revokeDevice('phone', 'alice');
    await world.ask('r-2', ALICE);
    await world.pass(60);
    expect(push.wakeUps).toHaveLength(1);
    expect(pushesDue(world.rows, Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
  });
});

describe('a push token that is dead', () => {
  test('is recorded once, however many requests wait, and the device is not woken again', async () => {
    const push = answering(dead);
    const world = await node(push);
    for (let n = 0; n < 5; n += 1) await world.ask(`r-${n}`, ALICE);
    await world.react();
    await world.ask('r-6', ALICE);
    await world.pass(60);
    expect(await world.facts('DevicePushTokenDied')).toMatchObject([{ stream: 'device-phone', tokenRevision: 1 }]);
    expect(pushesDue(world.rows, Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
    const tried = push.wakeUps.length;
    await world.ask('r-7', ALICE);
    await world.pass(60);
    expect(push.wakeUps).toHaveLength(tried);
  });

  test('ends also the attempts that other requests had still before them', async () => {
    const push = inMemoryPushSender(({ requestId }) => (requestId === 'r-1' ? retry(60) : dead));
    const world = await node(push);
    await world.react();
    await world.ask('r-1', ALICE);
    await settled();
    await world.ask('r-2', ALICE);
    await world.pass(60);
    expect(push.wakeUps).toHaveLength(2);
    expect(pushesDue(world.rows, Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
  });

  test('leaves its device able to list, to show and to answer', async () => {
    const world = await node(answering(dead));
    await world.react();
    await world.ask('r-1', ALICE);
    await settled();
    expect(await world.facts('DevicePushTokenDied')).toHaveLength(1);
    expect(waitingFor(world.rows, 'alice', 0)).toMatchObject([{ requestId: 'r-1' }]);
    await world.show('r-1', 'phone');
    await world.answer('r-1', 'phone', 'approved');
    expect(await world.facts('CibaRequestApproved')).toHaveLength(1);
  });

  test('is replaced by a new one, with which the device is woken again', async () => {
    const push = inMemoryPushSender(({ pushToken }) => (pushToken === 'new token' ? accepted : dead));
    const world = await node(push);
    await world.react();
    await world.ask('r-1', ALICE);
    await settled();
    await world.replacePushToken('phone', 'new token');
    await world.ask('r-2', ALICE);
    await settled();
    expect(push.wakeUps.map(({ pushToken, requestId }) => [pushToken, requestId])).toEqual([
      ['token of the phone', 'r-1'],
      ['new token', 'r-2'],
    ]);
  });

  test('that was replaced while the push service was asked changes nothing: the new one is tried for itself', async () => {
    const asked: [WakeUp, (outcome: PushOutcome) => void][] = [];
    const world = await node({ wake: (wakeUp) => new Promise((resolve) => asked.push([wakeUp, resolve])) });
    await world.react();
    await world.ask('r-1', ALICE);
    await settled();
    await world.replacePushToken('phone', 'new token');
    asked[0]?.[1](dead);
    await world.ask('r-2', ALICE);
    await settled();
    expect(await world.facts('DevicePushTokenDied')).toEqual([]);
    expect(asked.map(([{ pushToken, requestId }]) => [pushToken, requestId])).toEqual([
      ['token of the phone', 'r-1'],
      ['new token', 'r-1'],
      ['new token', 'r-2'],
    ]);
    for (const [, answer] of asked) answer(accepted);
  });
});

describe('a phone of the reference, which lists nothing,', () => {
  const BOB = { clientId: 'tpp', psuId: 'psu-bob', consentId: null } as const;
  /** Bob has no device yet; `sent` names the tokens that were pushed to, also after minutes. */
  const bobs = async (sender: ReturnType<typeof inMemoryPushSender> = inMemoryPushSender()) => {
    const world = await node(sender);
    await world.react();
    const enrol = async (deviceId: string) => {
      await world.offerEnrolment(deviceId, BOB.psuId);
      await world.registerDevice(deviceId, `token of ${deviceId}`, 'push-auth');
      await settled();
    };
    const sent = async () => {
      for (let n = 0; n < 4; n += 1) await world.pass(30);
      return sender.wakeUps.map(({ pushToken }) => pushToken);
    };
    return { ...world, enrol, sent };
  };

  test('is told what waits when it is enrolled, and again, once, by a new push token', async () => {
    const world = await bobs();
    await world.ask('r-1', BOB);
    await world.enrol('first');
    await world.replacePushToken('first', 'new token');
    expect(await world.sent()).toEqual(['token of first', 'new token']);
    expect(await world.facts(...PUSHES)).toMatchObject([
      { type: 'DevicePushAccepted', stream: 'push-r-1.first.1', tokenRevision: 1 },
      { type: 'DevicePushAccepted', stream: 'push-r-1.first.2', tokenRevision: 2 },
    ]);
    expect(world.faults).toEqual([]);
  });

  test('is told once more by a new push token what it was told when it came', async () => {
    const world = await bobs();
    await world.enrol('first');
    await world.ask('r-1', BOB);
    await settled();
    await world.replacePushToken('first', 'new token');
    expect(await world.sent()).toEqual(['token of first', 'new token']);
  });

  test('whose push token was dead is told once by a new one', async () => {
    const world = await bobs(inMemoryPushSender(({ pushToken }) => (pushToken === 'new token' ? accepted : dead)));
    await world.enrol('first');
    await world.ask('r-1', BOB);
    await settled();
    await world.replacePushToken('first', 'new token');
    expect(await world.sent()).toEqual(['token of first', 'new token']);
  });

  test.each([
    ['while a push is owed to it', retry(100), ['token of first', 'token of second']],
    ['after it was told', accepted, ['token of first', 'token of second']],
  ] as const)('that is revoked %s leaves its requests to the next', async (_, outcome, tokens) => {
    const world = await bobs(inMemoryPushSender(({ pushToken }) => (pushToken === 'token of first' ? outcome : accepted)));
    await world.enrol('first');
    await world.ask('r-1', BOB);
    await settled();
    await world.revokeDevice('first', BOB.psuId);
    await world.enrol('second');
    expect(await world.sent()).toEqual(tokens);
  });

  test('that is revoked leaves what only it was told to those that are there', async () => {
    const world = await bobs();
    await world.enrol('first');
    await world.ask('r-1', BOB);
    await settled();
    await world.enrol('second');
    expect(await world.sent()).toEqual(['token of first']);
    await world.revokeDevice('first', BOB.psuId);
    expect(await world.sent()).toEqual(['token of first', 'token of second']);
  });

  test('is told nothing of what has ended', async () => {
    const world = await bobs();
    await world.ask('r-1', BOB);
    await world.cancel('r-1');
    await world.enrol('first');
    expect(await world.sent()).toEqual([]);
  });
});

describe('an answer that has not become the consent’s, for its call died,', () => {
  test('is completed by whoever starts next', async () => {
    const world = await node();
    await approve(world, 'r-1', 'c-1');
    await world.pass(3);
    expect(await world.facts('ConsentAuthorised')).toEqual([]);
    await world.react();
    const [approved] = await world.facts('CibaRequestApproved');
    expect(await world.facts('ConsentAuthorised')).toMatchObject([
      {
        stream: 'consent-c-1',
        actor: 'phone',
        correlationId: 'c-1',
        requestId: 'r-1',
        psuId: 'alice',
        digest: approved?.digest,
        at: approved?.at,
      },
    ]);
    await world.redeem('r-1');
    expect(await world.facts('CibaRequestRedeemed')).toHaveLength(1);
  });

  test('is completed for a request that brought its own consent', async () => {
    const world = await node();
    await approve(world, 'r-1');
    await world.pass(3);
    await world.react();
    expect(await world.facts('ConsentLodged', 'ConsentAuthorised')).toMatchObject([
      { type: 'ConsentLodged', clientId: 'tpp', content: { kind: 'scope' } },
      { type: 'ConsentAuthorised', requestId: 'r-1' },
    ]);
  });

  test('is completed for a "no" as well', async () => {
    const world = await node();
    await world.lodge('c-1', 'tpp');
    await world.ask('r-1', { ...ALICE, consentId: 'c-1' });
    await world.show('r-1', 'phone');
    await world.answer('r-1', 'phone', 'denied');
    await world.pass(3);
    await world.react();
    expect(await world.facts('ConsentRejected')).toMatchObject([{ stream: 'consent-c-1', requestId: 'r-1' }]);
  });

  test('is left to its call for two seconds', async () => {
    const world = await node();
    await world.react();
    await approve(world, 'r-1', 'c-1');
    await world.pass(2);
    expect(await world.facts('ConsentAuthorised')).toEqual([]);
    await world.pass(1);
    expect(await world.facts('ConsentAuthorised')).toHaveLength(1);
  });

  test('is completed once, also when its call comes late, at once or after', async () => {
    const world = await node();
    await approve(world, 'r-1', 'c-1');
    await world.pass(3);
    await Promise.all([world.persist('r-1'), world.react(), world.persist('r-1')]);
    await world.persist('r-1');
    await world.pass(3);
    expect(await world.facts('ConsentAuthorised')).toHaveLength(1);
  });

  test('is nothing any more when the consent was revoked meanwhile', async () => {
    const world = await node();
    await approve(world, 'r-1', 'c-1');
    await world.revokeConsent('c-1');
    await world.pass(3);
    await world.react();
    expect(await world.facts('ConsentAuthorised')).toEqual([]);
  });
});

describe('time ends', () => {
  test('a request that nobody answered, at its last second', async () => {
    const world = await node();
    await world.react();
    await world.ask('r-1', { ...ALICE, lifeSeconds: 120 });
    await world.ask('r-2', { ...ALICE, lifeSeconds: 121 });
    await world.pass(119);
    expect(await world.facts('CibaRequestExpired')).toEqual([]);
    await world.pass(1);
    expect(await world.facts('CibaRequestExpired')).toMatchObject([
      { stream: 'cibaRequest-r-1', actor: 'expire-requests', correlationId: 'r-1' },
    ]);
    await world.pass(600);
    expect(await world.facts('CibaRequestExpired')).toHaveLength(2);
  });

  test('what was over before the start, in any number', async () => {
    const world = await node(answering(refused));
    for (let n = 0; n < 450; n += 1) await world.ask(`r-${n}`, ALICE);
    await world.pass(300);
    await world.react();
    await world.pass(0);
    expect(await world.facts('CibaRequestExpired')).toHaveLength(450);
    expect(waitingFor(world.rows, 'alice', 0)).toEqual([]);
  });

  test('no request that was answered', async () => {
    const world = await node();
    await world.react();
    await approve(world, 'r-1', 'c-1');
    await world.pass(600);
    expect(await world.facts('CibaRequestExpired')).toEqual([]);
  });

  test('a consent that has an end, whether it waits or was authorised', async () => {
    const world = await node();
    await world.react();
    for (const consentId of ['waits', 'authorised', 'rejected', 'revoked']) await world.lodge(consentId, 'tpp', 100);
    await world.lodge('endless', 'tpp');
    for (const [consentId, verdict] of [
      ['authorised', 'approved'],
      ['rejected', 'denied'],
    ] as const) {
      await world.ask(`r-${consentId}`, { ...ALICE, consentId });
      await world.show(`r-${consentId}`, 'phone');
      await world.answer(`r-${consentId}`, 'phone', verdict);
      await world.persist(`r-${consentId}`);
    }
    await world.revokeConsent('revoked');
    await world.pass(99);
    expect(await world.facts('ConsentExpired')).toEqual([]);
    await world.pass(1);
    await world.pass(1000);
    const ended = (await world.facts('ConsentExpired')).map((fact) => fact.stream);
    expect(ended.toSorted()).toEqual(['consent-authorised', 'consent-waits']);
  });
});

describe('a consent that ends', () => {
  test.each<[string, (world: Node) => Promise<unknown>]>([
    ['is revoked', (world) => world.revokeConsent('c-1')],
    ['expires', (world) => world.pass(1000)],
  ])('takes its grant and its tokens with it: it %s', async (_, end) => {
    const world = await node();
    await world.react();
    await world.lodge('c-1', 'tpp', 1000);
    await world.ask('r-1', { ...ALICE, consentId: 'c-1' });
    await world.show('r-1', 'phone');
    await world.answer('r-1', 'phone', 'approved');
    await world.persist('r-1');
    await world.redeem('r-1');
    await world.openGrant('r-1');
    await redeemed(world, 'r-2');
    expect(findToken(world.rows, world.accessTokenOf('r-1'))).toBeDefined();
    await end(world);
    expect(findToken(world.rows, world.accessTokenOf('r-1'))).toBeUndefined();
    await settled();
    expect(await world.facts('GrantRevoked')).toMatchObject([
      { stream: 'grant-r-1', reason: 'consent_ended', actor: 'revoke-grants', correlationId: 'c-1' },
    ]);
    expect(findToken(world.rows, world.accessTokenOf('r-2'))).toBeDefined();
  });

  test('takes a grant with it that is opened only afterwards', async () => {
    const world = await node();
    await world.react();
    await approve(world, 'r-1', 'c-1');
    await world.persist('r-1');
    await world.redeem('r-1');
    await world.revokeConsent('c-1');
    await world.openGrant('r-1');
    expect(findToken(world.rows, world.accessTokenOf('r-1'))).toBeUndefined();
    await settled();
    expect(await world.facts('GrantRevoked')).toMatchObject([{ stream: 'grant-r-1', reason: 'consent_ended' }]);
  });

  test('cancels the requests that wait for an answer, and no others', async () => {
    const world = await node();
    await world.react();
    await world.lodge('c-1', 'tpp');
    for (const requestId of ['r-1', 'r-2']) await world.ask(requestId, { ...ALICE, consentId: 'c-1' });
    await world.ask('r-3', ALICE);
    await approve(world, 'r-4', 'c-4');
    await world.revokeConsent('c-1');
    await world.revokeConsent('c-4');
    await settled();
    expect(await world.facts('CibaRequestCancelled')).toMatchObject([
      { stream: 'cibaRequest-r-1', reason: 'consent_ended', actor: 'cancel-requests', correlationId: 'c-1' },
      { stream: 'cibaRequest-r-2', reason: 'consent_ended' },
    ]);
    expect(waitingFor(world.rows, 'alice', 0).map((request) => request.requestId)).toEqual(['r-3']);
  });

  test.each(['approved', 'denied'] as const)('or was answered: those that wait are cancelled once it is %s', async (verdict) => {
    const world = await node();
    await world.react();
    await world.lodge('c-1', 'tpp');
    for (const requestId of ['r-1', 'r-2']) await world.ask(requestId, { ...ALICE, consentId: 'c-1' });
    await world.ask('r-3', ALICE);
    await world.show('r-1', 'phone');
    await world.answer('r-1', 'phone', verdict);
    await world.persist('r-1');
    await settled();
    expect(await world.facts('CibaRequestCancelled')).toMatchObject([{ stream: 'cibaRequest-r-2', reason: 'consent_ended' }]);
    expect(waitingFor(world.rows, 'alice', 0).map((request) => request.requestId)).toEqual(['r-3']);
  });
});

describe('a client that is disabled', () => {
  test('loses its requests and its grants, and nobody else does', async () => {
    const world = await node();
    await world.react();
    await world.registerClient('other');
    await redeemed(world, 'r-1');
    await redeemed(world, 'r-2', 'c-2');
    await world.ask('r-3', ALICE);
    await world.ask('r-4', { ...ALICE, clientId: 'other' });
    await world.disableClient('tpp');
    for (const requestId of ['r-1', 'r-2']) expect(findToken(world.rows, world.accessTokenOf(requestId))).toBeUndefined();
    await settled();
    const reason = 'client_disabled';
    expect(await world.facts('CibaRequestCancelled', 'GrantRevoked')).toMatchObject([
      { stream: 'cibaRequest-r-3', reason },
      { stream: 'grant-r-1', reason, correlationId: 'r-1' },
      { stream: 'grant-r-2', reason, correlationId: 'c-2' },
    ]);
    expect(waitingFor(world.rows, 'alice', 0).map((request) => request.requestId)).toEqual(['r-4']);
  });

  test('loses a grant that is opened only afterwards', async () => {
    const world = await node();
    await world.react();
    await approve(world, 'r-1');
    await world.persist('r-1');
    await world.redeem('r-1');
    await world.disableClient('tpp');
    await world.openGrant('r-1');
    await settled();
    expect(await world.facts('GrantRevoked')).toMatchObject([{ stream: 'grant-r-1', reason: 'client_disabled' }]);
  });
});

describe('reactions', () => {
  const running = (due: (limit: number) => readonly Due[], onDuty: Observable<boolean> = of(true)) => {
    const applied = new Subject<{ types: Set<'ClientDisabled'> }>();
    const faults: unknown[] = [];
    const reactions = runReactions({
      reactions: [{ name: 'test', after: ['ClientDisabled'], due }],
      applied,
      onDuty,
      onError: (name, error) => faults.push([name, error]),
    });
    closing.unshift(() => reactions.stop());
    return { applied: { next: () => applied.next({ types: new Set(['ClientDisabled']) }) }, faults, reactions };
  };

  test('do nothing while others are on duty, and everything that is due as soon as their turn has come', async () => {
    const duty = new BehaviorSubject(false);
    let [looks, done] = [0, 0];
    const act = async () => {
      done += 1;
    };
    const { applied } = running(() => {
      looks += 1;
      return [{ key: 'work', act }];
    }, duty);
    applied.next();
    await settled();
    expect([looks, done]).toEqual([0, 0]);
    duty.next(true);
    await settled();
    expect([looks, done]).toEqual([1, 1]);
    duty.next(false);
    applied.next();
    await settled();
    expect([looks, done]).toEqual([1, 1]);
  });

  test('know what was due already when their turn came, for as long as it is theirs', async () => {
    const duty = new BehaviorSubject(true);
    const done: [string, boolean][] = [];
    let keys = ['old'];
    const applied = new Subject<{ types: Set<'ClientDisabled'> }>();
    const all = () => keys.map((key) => ({ key, act: async (mayRepeat: boolean) => void done.push([key, mayRepeat]) }));
    const reaction = { name: 'test', after: ['ClientDisabled'] as const, due: all, outstanding: () => keys };
    const reactions = runReactions({ reactions: [reaction], applied, onDuty: duty, onError: () => undefined });
    closing.unshift(() => reactions.stop());
    const look = async () => {
      applied.next({ types: new Set(['ClientDisabled']) });
      await settled();
    };
    await settled();
    keys = ['old', 'new'];
    await look();
    expect(done).toEqual([
      ['old', true],
      // An attempt that only says when the next one is due leaves open what became of the one before their turn.
      ['old', true],
      ['new', false],
    ]);
    duty.next(false);
    keys = ['others’'];
    duty.next(true);
    await settled();
    expect(done.at(-1)).toEqual(['others’', true]);
  });

  test('tell of what fails, go on with the rest, and try it again after a second', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    const done: string[] = [];
    const broken = new Error('the push service is not there');
    const act = (key: string) => async () => {
      if (key === 'bad' && done.filter((other) => other === 'bad').length === 0) {
        done.push(key);
        throw broken;
      }
      done.push(key);
    };
    let keys = ['bad', 'good'];
    const { applied, faults } = running(() => keys.map((key) => ({ key, act: act(key) })));
    await settled();
    keys = ['bad'];
    expect([done, faults]).toEqual([['bad', 'good'], [['test', broken]]]);
    for (let turn = 0; turn < 5; turn += 1) {
      applied.next();
      await settled();
    }
    expect(done).toEqual(['bad', 'good']);
    jest.advanceTimersByTime(1000);
    await settled();
    applied.next();
    await settled();
    expect(done.slice(0, 3)).toEqual(['bad', 'good', 'bad']);
    expect(faults).toHaveLength(1);
  });

  test('that failed may be repeats, for nobody knows how far they came', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    const acts: boolean[] = [];
    const act = async (mayRepeat: boolean) => {
      acts.push(mayRepeat);
      if (acts.length < 3) throw new Error('it broke off');
    };
    const { applied } = running(() => (acts.length < 4 ? [{ key: 'work', act }] : []));
    await settled();
    for (let second = 0; second < 2; second += 1) {
      await jest.advanceTimersByTimeAsync(1000);
      applied.next();
      await settled();
    }
    applied.next();
    await settled();
    expect(acts).toEqual([false, true, true, false]);
  });

  test('that failed may be repeats also where there is more of them than is looked at', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    const acts = new Map<string, boolean[]>();
    const keys = Array.from({ length: 1500 }, (_, n) => `work ${n}`);
    const piece = (key: string) => ({
      key,
      async act(mayRepeat: boolean) {
        acts.set(key, [...(acts.get(key) ?? []), mayRepeat]);
        throw new Error('the store is away');
      },
    });
    let turn = 0;
    // What fails goes to the end of the list.
    const inTurn = (limit: number) => [...keys.slice(turn), ...keys.slice(0, turn)].slice(0, limit).map(piece);
    const { applied } = running(inTurn);
    await settled();
    for (let second = 0; second < 20; second += 1) {
      turn = (turn + 400) % keys.length;
      await jest.advanceTimersByTimeAsync(1000);
      applied.next();
      await settled();
    }
    const again = [...acts.values()].filter(({ length }) => length > 1);
    expect(again.length).toBeGreaterThan(1000);
    expect(again.filter(([first, ...others]) => first || !others.every(Boolean))).toEqual([]);
    await jest.advanceTimersByTimeAsync(1000);
  });

  test('look every second at what has become due by itself', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    let looks = 0;
    running(() => {
      looks += 1;
      return [];
    });
    await settled();
    expect(looks).toBe(1);
    for (let second = 0; second < 3; second += 1) {
      jest.advanceTimersByTime(1000);
      await settled();
    }
    expect(looks).toBe(4);
  });

  test('that are stopped finish what is under way and begin nothing', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    let acts = 0;
    const { applied, reactions } = running(() => [
      {
        key: String(acts),
        act: () => {
          acts += 1;
          return promise;
        },
      },
    ]);
    await settled();
    expect(acts).toBe(1);
    let hasStopped = false;
    applied.next();
    const stopping = reactions.stop().then(() => {
      hasStopped = true;
    });
    applied.next();
    await settled();
    expect([acts, hasStopped]).toEqual([1, false]);
    resolve();
    await stopping;
    expect(acts).toBe(1);
  });
});
