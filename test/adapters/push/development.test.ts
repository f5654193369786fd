import { expect, test } from '@jest/globals';
import { developmentPushSender } from '../../../src/adapters/push/development.ts';

test('the development channel prints one line per push, without the push token', async () => {
  const lines: string[] = [];
  const push = developmentPushSender((line) => lines.push(line));
  const outcome = await push.wake({ pushToken: 'canary', requestId: 'r-1', ttlSeconds: 120 });
  expect(lines).toEqual(['push: a phone would be woken for request r-1, which lives for another 120 s']);
  expect(outcome).toEqual({ outcome: 'accepted', messageId: 'development-1' });
});
