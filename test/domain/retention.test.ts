import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { erase, expire, keysDestroyed, psu } from '../../src/domain/psu/decider.ts';
import type { psuEvents } from '../../src/domain/psu/events.ts';
import { keyNameIn, monthOf } from '../../src/domain/psu/retention.ts';

const END = Date.UTC(2300, 0) / 1000;

describe('the month of a moment', () => {
  test('is what the calendar says, always', () => {
    const property = fc.property(fc.integer({ min: 0, max: END }), (at) =>
      expect(monthOf(at)).toBe(new Date(at * 1000).toISOString().slice(0, 7)),
    );
    fc.assert(property, { numRuns: 20_000 });
  });

  test('changes with its first second', () => {
    for (let month = 1; month < 330 * 12; month += 1) {
      const at = Date.UTC(1970, month) / 1000;
      for (const second of [at - 1, at]) expect(monthOf(second)).toBe(new Date(second * 1000).toISOString().slice(0, 7));
    }
  });
});

test('the name of the key stands in the text, but for texts of older versions', () => {
  expect(keyNameIn('2.request.2026-11.AAAA')).toBe('request.2026-11');
  expect(keyNameIn('2.device.-.AAAA')).toBe('device.-');
  for (const older of ['AAAA', '', '2.AAAA', '3.request.2026-11.AAAA']) expect(keyNameIn(older)).toBe('all.-');
});

describe('a PSU', () => {
  const folded = (...facts: Parameters<typeof psuEvents.encode>[0][]) =>
    facts.reduce((state, { type, data }) => psu.evolve(state, { type, data, eventId: `id of ${type}` } as never), psu.initial);
  const [psuId, reason, at] = ['psu-1', 'case 4711', 7];
  const erased = folded({ type: 'PsuErased', data: { psuId, reason, at } });
  const data = { psuId, retention: 'request' as const, period: '2026-11', at };

  test('is erased once', () => {
    expect(erase({ psuId, reason, at })(psu.initial)).toEqual([{ type: 'PsuErased', data: { psuId, reason, at } }]);
    expect(erase({ psuId, reason: 'another', at: 8 })(erased)).toEqual([]);
    expect(erased.erased).toEqual({ at, eventId: 'id of PsuErased' });
  });

  test('has keys destroyed only when erased', () => {
    expect(() => keysDestroyed({ psuId, at })(psu.initial)).toThrow('not erased');
    expect(keysDestroyed({ psuId, at })(erased)).toHaveLength(1);
  });

  test('has the time of a key over once, and not at all when erased', () => {
    expect(expire(data)(psu.initial)).toEqual([{ type: 'PsuDataExpired', data }]);
    expect(expire(data)(folded({ type: 'PsuDataExpired', data }))).toEqual([]);
    expect(expire({ ...data, period: '2026-12' })(folded({ type: 'PsuDataExpired', data }))).toHaveLength(1);
    expect(expire(data)(erased)).toEqual([]);
  });
});
