import { describe, expect, test } from '@jest/globals';
import { inMemoryPushSender } from '../../../src/adapters/push/in-memory.ts';

const wakeUp = { pushToken: 'token', requestId: 'r-1', ttlSeconds: 120 };

describe('the in-memory push channel', () => {
  test('accepts and keeps what it was asked to send', async () => {
    const push = inMemoryPushSender();
    expect(await push.wake(wakeUp)).toEqual({ outcome: 'accepted', messageId: 'in-memory-r-1' });
    expect(push.wakeUps).toEqual([wakeUp]);
  });

  test('answers what it is told to answer', async () => {
    const push = inMemoryPushSender(({ pushToken }) => ({ outcome: 'dead', reason: `no ${pushToken}` }));
    expect(await push.wake(wakeUp)).toEqual({ outcome: 'dead', reason: 'no token' });
    expect(push.wakeUps).toEqual([wakeUp]);
  });
});
