import { expect, test } from '@jest/globals';
import { retryAfterSeconds } from '../../../src/adapters/push/retry-after.ts';

test.each([
  [undefined, null],
  ['', null],
  ['soon', null],
  ['0', 0],
  ['120', 120],
  ['Wed, 21 Oct 2015 07:28:00 GMT', 0],
])('Retry-After: %s asks for %s seconds', (header, seconds) => {
  expect(retryAfterSeconds(header)).toBe(seconds);
});

test('Retry-After may name a moment', () => {
  expect([59, 60]).toContain(retryAfterSeconds(new Date(Date.now() + 60_000).toUTCString()));
});
