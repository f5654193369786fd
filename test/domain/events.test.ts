import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { decode } from '../../src/domain/catalogue.ts';
import { defineEvents, sealingContext, UnreadableEvent, versioned } from '../../src/domain/events.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import { newEvent } from '../support/new-events.ts';

const first = z.strictObject({ name: z.string() });
const second = z.strictObject({ name: z.string(), nicknames: z.array(z.string()) });
const third = z.strictObject({ names: z.array(z.string()).min(1), changes: z.int() });

const toys = defineEvents('toy', {
  ToyNamed: versioned(first)
    .next(second, ({ name }) => ({ name, nicknames: [] }))
    .next(third, ({ name, nicknames }) => {
      if (name === 'unspeakable') throw new Error('no such name');
      return { names: [name, ...nicknames], changes: 1 };
    }),
  ToyGiven: versioned(z.strictObject({ psuId: z.string() }), z.strictObject({ words: z.string() })),
});

const stored = (given: Partial<StoredEvent>): StoredEvent => ({
  ...newEvent({ id: 'event-id', type: 'ToyNamed', version: 3, data: '{"names":["Ted"],"changes":0}', correlationId: 'story' }),
  stream: 'toy-the-bear-1',
  revision: 4,
  position: 17,
  recordedAt: 99,
  ...given,
});

describe('an event type with three versions', () => {
  test('is written in the newest', () => {
    expect(toys.encode({ type: 'ToyNamed', data: { names: ['Ted'], changes: 2 } })).toEqual({
      version: 3,
      data: '{"names":["Ted"],"changes":2}',
      personal: null,
    });
  });

  test.each([
    [1, { name: 'Ted' }, { names: ['Ted'], changes: 1 }],
    [2, { name: 'Ted', nicknames: ['Bear'] }, { names: ['Ted', 'Bear'], changes: 1 }],
    [3, { names: ['Ted'], changes: 7 }, { names: ['Ted'], changes: 7 }],
  ])('reads version %d in the newest', (version, data, newest) => {
    expect(toys.decode(stored({ version, data: JSON.stringify(data) })).data).toEqual(newest);
  });

  test('carries its place and its story', () => {
    const { data, ...envelope } = toys.decode(stored({}));
    expect(envelope).toEqual({
      type: 'ToyNamed',
      id: 'the-bear-1',
      eventId: 'event-id',
      revision: 4,
      position: 17,
      recordedAt: 99,
      actor: { kind: 'engine', id: 'test' },
      correlationId: 'story',
      sealed: null,
    });
  });

  test('is not changed by adding a version to it', () => {
    const published = versioned(first);
    published.next(second, ({ name }) => ({ name, nicknames: [] }));
    expect(defineEvents('toy', { ToyNamed: published }).encode({ type: 'ToyNamed', data: { name: 'Ted' } }).version).toBe(1);
  });
});

describe('an event that cannot be read', () => {
  const unreadable: [string, Partial<StoredEvent>][] = [
    ['is of an unknown type', { type: 'ToyBroken' }],
    ['has a type that every object has', { type: 'constructor' }],
    ['is of a newer version', { version: 4 }],
    ['is of version 0', { version: 0 }],
    ['is of a version between two', { version: 1.5 }],
    ['is no JSON', { data: '{"names":["Ted"],"changes":0' }],
    ['is no object', { data: '["Ted"]' }],
    ['is null', { data: 'null' }],
    ['lacks a part', { data: '{"names":["Ted"]}' }],
    ['has a part too many', { data: '{"names":["Ted"],"changes":0,"colour":"red"}' }],
    ['has a part of another kind', { data: '{"names":["Ted"],"changes":"0"}' }],
    ['breaks a rule', { data: '{"names":[],"changes":0}' }],
    ['has the data of another version', { data: '{"name":"Ted"}' }],
    ['cannot be brought to the newest version', { version: 1, data: '{"name":"unspeakable"}' }],
    ['has a sealed part that does not belong', { sealed: 'text' }],
    ['has lost its sealed part', { type: 'ToyGiven', version: 1, data: '{"psuId":"psu-1"}', sealed: null }],
  ];

  test.each(unreadable)('because it %s stops its reader', (_, given) => expect(() => toys.decode(stored(given))).toThrow(UnreadableEvent));

  test('is told with its type, version, stream and position', () => {
    const read = () => toys.decode(stored({ version: 12, position: 345 }));
    for (const named of ['ToyNamed', 'version 12', 'toy-the-bear-1', 'event 345']) expect(read).toThrow(named);
  });

  test('is told with its cause, where there is one', () => {
    expect(() => toys.decode(stored({ data: '{' }))).toThrow(expect.objectContaining({ cause: expect.any(SyntaxError) }));
  });

  test.each([
    ['an unknown type', { type: 'ToyNamed' }],
    ['an unknown version', { type: 'ConsentExpired', version: 2, stream: 'consent-1', data: '{"at":1}' }],
    ['data that does not fit', { type: 'ConsentExpired', version: 1, stream: 'consent-1', data: '{"at":"1"}' }],
  ])('stops who reads all families: %s', (_, given) => expect(() => decode(stored(given))).toThrow(UnreadableEvent));
});

describe('a fact that does not fit is not written', () => {
  test.each([
    ['a part too many', 'ToyNamed', { names: ['Ted'], changes: 0, colour: 'red' }, undefined],
    ['a part too few', 'ToyNamed', { names: ['Ted'] }, undefined],
    ['an older version', 'ToyNamed', { name: 'Ted' }, undefined],
    ['an unknown type', 'ToyBroken', {}, undefined],
    ['no personal part where one belongs', 'ToyGiven', { psuId: 'psu-1' }, undefined],
    ['another personal part', 'ToyGiven', { psuId: 'psu-1' }, { words: 'for you', colour: 'red' }],
  ])('%s', (_, type, data, personal) => expect(() => toys.encode({ type, data, personal })).toThrow());
});

describe('the personal part of an event', () => {
  const keys = psuKeys(':memory:', Buffer.alloc(32, 1));
  const place = { id: 'event-id', type: 'ToyGiven', version: 1 };
  const sealed = keys.seal(
    { psuId: 'psu-1', retention: 'consent', at: 0 },
    '{"words":"for you"}',
    sealingContext('toy-the-bear-1', 4, place),
  );
  const given = (changes: Partial<StoredEvent> = {}) => stored({ ...place, data: '{"psuId":"psu-1"}', sealed, ...changes });
  const opened = (event: StoredEvent) => {
    const read = toys.decode(event);
    return read.type === 'ToyGiven' && toys.open('ToyGiven', read.sealed, keys);
  };

  test('is read back with the key of its PSU', () => expect(opened(given())).toEqual({ words: 'for you' }));
  test('is gone with that key', () => expect(opened(given({ data: '{"psuId":"erased"}' }))).toBeNull());
  test.each<[string, Partial<StoredEvent>]>([
    ['stream', { stream: 'toy-the-bear-2' }],
    ['revision', { revision: 5 }],
    ['event', { id: 'other-id' }],
  ])('cannot be opened in the place of another %s', (_, change) => expect(() => opened(given(change))).toThrow('another place'));
  test.each([
    ['type', { ...place, type: 'ToyNamed' }],
    ['version', { ...place, version: 2 }],
  ])('cannot be opened as that of another %s', (_, other) => {
    const text = keys.seal(
      { psuId: 'psu-1', retention: 'consent', at: 0 },
      '{"words":"for you"}',
      sealingContext('toy-the-bear-1', 4, other),
    );
    expect(() => opened(given({ sealed: text }))).toThrow('another place');
  });
  test('must fit its schema', () => {
    const text = keys.seal({ psuId: 'psu-1', retention: 'consent', at: 0 }, '{"words":1}', sealingContext('toy-the-bear-1', 4, place));
    expect(() => opened(given({ sealed: text }))).toThrow(z.ZodError);
  });
});
