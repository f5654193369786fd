import { describe, test } from '@jest/globals';
import type { PushOutcome } from '../../src/domain/ports/push-sender.ts';
import { attempted, push } from '../../src/domain/push/decider.ts';
import type { PushFact } from '../../src/domain/push/events.ts';
import { given } from '../support/given.ts';

const by = { requestId: 'request-1', deviceId: 'phone', tokenRevision: 1, psuId: 'alice', at: 1000, mayRepeat: false };
const attempt = (outcome: PushOutcome, at = 1000) => attempted({ ...by, at, requestExpiresAt: 1300 }, outcome);
const busy = (afterSeconds: number | null = null): PushOutcome => ({ outcome: 'retry', reason: 'busy', afterSeconds });

const accepted: PushFact = { type: 'DevicePushAccepted', data: { ...by, messageId: 'message-1' } };
const rejected = (reason: string, retryAt: number | null, at = 1000): PushFact => ({
  type: 'DevicePushRejected',
  data: { ...by, at, reason, retryAt },
});
const failed = (times: number) => Array.from({ length: times }, () => rejected('busy', 1001));

describe('a push that', () => {
  test('was accepted is done', () => {
    const ok = attempt({ outcome: 'accepted', messageId: 'message-1' });
    given(push).when(ok).then(accepted);
    given(push, accepted).when(ok).then();
    given(push, accepted).when(attempt(busy())).then();
  });

  test.each<PushOutcome['outcome']>(['dead', 'refused'])('is %s is not tried again', (outcome) => {
    const vain = attempt({ outcome: outcome as 'dead' | 'refused', reason: 'gone' });
    given(push).when(vain).then(rejected('gone', null));
    given(push, rejected('gone', null)).when(vain).then();
  });

  test.each([
    [0, 1001],
    [1, 1002],
    [5, 1032],
    [6, 1060],
    [2000, 1060],
  ])('failed %i times before waits until %i', (times, retryAt) =>
    given(push, ...failed(times))
      .when(attempt(busy()))
      .then(rejected('busy', retryAt)),
  );

  test('is asked to wait longer waits longer', () =>
    given(push)
      .when(attempt(busy(90)))
      .then(rejected('busy', 1090)));
  test.each([0, 1])('is asked to wait %i s still waits as long as it would by itself', (seconds) =>
    given(push, ...failed(3))
      .when(attempt(busy(seconds)))
      .then(rejected('busy', 1008)),
  );

  test('would come after the end of its request is not tried again', () => {
    given(push)
      .when(attempt(busy(299)))
      .then(rejected('busy', 1299));
    given(push)
      .when(attempt(busy(300)))
      .then(rejected('busy', null));
    given(push)
      .when(attempt(busy(), 1299))
      .then(rejected('busy', null, 1299));
  });
});
