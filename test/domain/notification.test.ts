import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { attempted, isDue, type NotificationOutcome, notification, outcomeOf } from '../../src/domain/notification/decider.ts';
import type { NotificationFact } from '../../src/domain/notification/events.ts';
import { given, stateOf } from '../support/given.ts';

const by = { requestId: 'request-1', clientId: 'tpp', deliveryMode: 'ping', at: 1000, mayRepeat: false } as const;
const attempt = (outcome: NotificationOutcome, { at = 1000, jitter = 0 } = {}) =>
  attempted({ ...by, at, requestExpiresAt: 1300 }, outcome, jitter);
const ok: NotificationOutcome = { outcome: 'accepted', status: 204 };
const busy: NotificationOutcome = { outcome: 'retry', reason: 'http_status', status: 503 };
const never: NotificationOutcome = { outcome: 'refused', reason: 'http_status', status: 401 };

const accepted: NotificationFact = { type: 'ClientNotificationAccepted', data: { ...by, status: 204 } };
const rejected = (status: number, retryAt: number | null, at = 1000): NotificationFact => ({
  type: 'ClientNotificationRejected',
  data: { ...by, at, reason: 'http_status', status, retryAt },
});
const failed = (times: number) => Array.from({ length: times }, () => rejected(503, 1001));

describe('a notification that', () => {
  test('was accepted is done', () => given(notification).when(attempt(ok)).then(accepted));
  test('was refused is not tried again', () => given(notification).when(attempt(never)).then(rejected(401, null)));

  test.each([
    ['accepted', accepted],
    ['refused', rejected(401, null)],
  ])('was %s keeps what another attempt was told, which changes nothing', (_, ended) => {
    given(notification, ended).when(attempt(ok)).then(accepted);
    given(notification, ended).when(attempt(busy)).then(rejected(503, null));
    given(notification, ended).when(attempt(never)).then(rejected(401, null));
    for (const late of [accepted, rejected(503, null), rejected(401, null)])
      expect(stateOf(notification, ended, late)).toEqual(stateOf(notification, ended));
  });

  test.each([
    [0, 1001],
    [1, 1002],
    [5, 1032],
    [6, 1060],
    [2000, 1060],
  ])('failed %i times before waits until %i', (times, retryAt) =>
    given(notification, ...failed(times))
      .when(attempt(busy))
      .then(rejected(503, retryAt)),
  );

  test.each([
    [0.2, 1038],
    [0.5, 1048],
    [0.999, 1064],
  ])('failed waits longer by chance: %d', (jitter, retryAt) =>
    given(notification, ...failed(5))
      .when(attempt(busy, { jitter }))
      .then(rejected(503, retryAt)),
  );

  test('would come after the end of its request is not tried again', () => {
    given(notification)
      .when(attempt(busy, { at: 1298 }))
      .then(rejected(503, 1299, 1298));
    given(notification)
      .when(attempt(busy, { at: 1299 }))
      .then(rejected(503, null, 1299));
  });

  test('failed is due again at its time and not before; one that has ended is not', () => {
    expect(isDue(stateOf(notification), 1000)).toBe(true);
    const waiting = stateOf(notification, rejected(503, 1002));
    expect([1001, 1002, 1003].map((at) => isDue(waiting, at))).toEqual([false, true, true]);
    for (const ended of [accepted, rejected(401, null)]) expect(isDue(stateOf(notification, ended), 9999)).toBe(false);
  });

  test('meets whatever it meets keeps every attempt and its first outcome, and none is due after it', () => {
    const outcome = fc.constantFrom(ok, busy, never);
    const chances = fc.array(fc.record({ outcome, jitter: fc.double({ min: 0, max: 0.999, noNaN: true }), wait: fc.nat(40) }), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(chances, (attempts) => {
        const facts: NotificationFact[] = [];
        let at = 1000;
        for (const { outcome, jitter, wait } of attempts) {
          at += wait;
          facts.push(...attempt(outcome, { at, jitter })(stateOf(notification, ...facts)));
        }
        expect(facts).toHaveLength(attempts.length);
        const end = facts.findIndex(({ type, data }) => type === 'ClientNotificationAccepted' || data.retryAt === null);
        if (end !== -1) {
          expect(stateOf(notification, ...facts)).toEqual(stateOf(notification, ...facts.slice(0, end + 1)));
          expect(isDue(stateOf(notification, ...facts), 9999)).toBe(false);
          for (const { type, data } of facts.slice(end)) expect(type === 'ClientNotificationAccepted' || data.retryAt === null).toBe(true);
        }
        for (const { type, data } of facts)
          if (type === 'ClientNotificationRejected' && data.retryAt !== null) {
            expect(data.retryAt).toBeGreaterThan(data.at);
            expect(data.retryAt).toBeLessThan(1300);
          }
      }),
    );
  });
});

describe('an answer with the status', () => {
  test.each([200, 204])('%i is taken', (status) => expect(outcomeOf(status)).toEqual({ outcome: 'accepted', status }));
  test.each([400, 401, 403, 404, 410, 429])('%i is final', (status) =>
    expect(outcomeOf(status)).toEqual({ outcome: 'refused', reason: 'http_status', status }),
  );
  test.each([500, 502, 503, 504])('%i passes', (status) =>
    expect(outcomeOf(status)).toEqual({ outcome: 'retry', reason: 'http_status', status }),
  );
});
