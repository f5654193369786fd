import { describe, expect, test } from '@jest/globals';
import { logger } from '../../src/serve/logger.ts';

/** What a line says of something that was thrown. */
const told = (thrown: unknown) => {
  const lines: string[] = [];
  const log = logger({ log: { level: 'info' } } as Parameters<typeof logger>[0], { write: (line: string) => void lines.push(line) });
  log.error({ what: 'a script', err: thrown }, 'fault');
  expect(lines).toHaveLength(1);
  const { what, err } = JSON.parse(lines[0] ?? '');
  expect(what).toBe('a script');
  return err;
};

describe('a line tells of a fault', () => {
  test('what it is, and what caused it', () => {
    const cause = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    expect(told(new TypeError('fetch failed', { cause }))).toEqual({
      ...{ type: 'TypeError', message: 'fetch failed', stack: expect.any(String) },
      cause: { type: 'Error', message: 'connect', code: 'ECONNREFUSED', stack: expect.any(String) },
    });
  });

  test.each([
    ['null', null, 'object'],
    ['a text', 'a password, perhaps', 'string'],
    ['a number', 7, 'number'],
    ['an object', { message: 'a password, perhaps' }, 'object'],
    ['a function', () => undefined, 'function'],
  ])('also when it is %s, of which it says no more', (_, thrown, type) => expect(told(thrown)).toEqual({ type }));

  test('also when nothing was thrown', () => expect(told(undefined)).toBe(undefined));

  test('also when it is its own cause, to a depth of five', () => {
    const error = new Error('round');
    error.cause = error;
    let depth = 0;
    for (let seen = told(error); seen !== undefined; seen = seen.cause) depth += 1;
    expect(depth).toBe(5);
  });
});
