import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { defineEvents, sealingContext, UnreadableEvent, versioned } from '../../src/domain/events.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import { newEvent } from '../support/new-events.ts';

const given = z.strictObject({ psuId: z.string(), name: z.string() });
const words = z.strictObject({ words: z.string() });
const givenV2 = given.extend({ colour: z.string() });
const wordsV2 = words.extend({ language: z.string() });
const first = versioned(given, words);
const second = first.next(
  givenV2,
  (older) => ({ ...older, colour: 'brown' }),
  wordsV2,
  (older) => ({ ...older, language: 'en' }),
);

const older = defineEvents('toy', { ToyGiven: first });
const compatible = defineEvents('toy', { ToyGiven: second.readableByOlder() });
const breaking = defineEvents('toy', { ToyGiven: second });

const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
const fact = {
  ...{ type: 'ToyGiven', data: { psuId: 'psu-alice', name: 'Ted', colour: 'red' } },
  personal: { words: 'for you', language: 'de' },
};

/** The event as a node with this family would have stored it. */
const storedBy = (family: typeof compatible): StoredEvent => {
  const { version, compatibleFrom, data, personal } = family.encode(fact);
  const event = newEvent({ type: 'ToyGiven', version, compatibleFrom, data });
  const sealed = sealer.seal({ psuId: 'psu-alice', retention: 'consent', at: 0 }, personal ?? '', sealingContext('toy-ted', 0, event));
  return { ...event, sealed, stream: 'toy-ted', revision: 0, position: 1, recordedAt: 1 };
};

describe('an event of a newer version', () => {
  test('that older programs can read is read by them as the newest version they know, and its personal part too', () => {
    const stored = storedBy(compatible);
    expect([stored.version, stored.compatibleFrom]).toEqual([2, 1]);
    const event = older.decode(stored);
    expect(event.data).toEqual({ psuId: 'psu-alice', name: 'Ted' });
    expect(older.open('ToyGiven', event.sealed, sealer)).toEqual({ words: 'for you' });
    expect(compatible.decode({ ...stored }).data).toEqual(fact.data);
  });

  test('that does not say so stops them', () => {
    const stored = storedBy(breaking);
    expect([stored.version, stored.compatibleFrom]).toEqual([2, undefined]);
    expect(() => older.decode(stored)).toThrow(UnreadableEvent);
    expect(() => older.decode(stored)).toThrow('event 1 (ToyGiven version 2 in toy-ted) cannot be read');
  });

  test('that does not fit what it says stops them', () => {
    expect(() => older.decode({ ...storedBy(compatible), data: '{"psuId":"psu-alice"}' })).toThrow(UnreadableEvent);
    expect(() => older.decode({ ...storedBy(compatible), compatibleFrom: 2 })).toThrow(UnreadableEvent);
    expect(() => older.decode({ ...storedBy(compatible), sealed: null })).toThrow(UnreadableEvent);
  });

  test('is no reason to be less strict with a version that is known', () => {
    const { data } = storedBy(compatible);
    expect(() => older.decode({ ...storedBy(compatible), version: 1, compatibleFrom: 1, data })).toThrow(UnreadableEvent);
  });
});

describe('a version', () => {
  test('of which older programs would miss something cannot be called readable by them', () => {
    const less = versioned(given).next(z.strictObject({ psuId: z.string() }), ({ psuId }) => ({ psuId }));
    expect(() => less.readableByOlder()).toThrow('older programs would miss name');
    expect(() => first.readableByOlder()).toThrow('there is no older version');
    const sealedNow = versioned(given).nextWithPersonal(givenV2, (one) => ({ ...one, colour: 'brown' }), words);
    expect(() => sealedNow.readableByOlder()).toThrow('older programs know no personal part');
  });

  test('is readable as far down as those before it are', () => {
    const third = second.readableByOlder().next(givenV2.extend({ size: z.int() }), (one) => ({ ...one, size: 1 }));
    expect(third.compatibleFrom).toEqual([1, 1, 3]);
    expect(third.readableByOlder().compatibleFrom).toEqual([1, 1, 1]);
    expect(second.next(givenV2.extend({ size: z.int() }), (one) => ({ ...one, size: 1 })).readableByOlder().compatibleFrom).toEqual([
      1, 2, 2,
    ]);
  });
});
