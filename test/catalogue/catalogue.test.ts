import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { decode, families } from '../../src/domain/catalogue.ts';
import { type EventFamily, UnreadableEvent, type Versions } from '../../src/domain/events.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';

/** An event as it was stored once, what it must read as for ever, and what was sealed in it. */
interface Entry {
  stored: StoredEvent;
  data: Record<string, unknown>;
  personal?: object;
  /** The personal part as it was sealed, where it reads otherwise now. */
  sealedAs?: object;
}

// biome-ignore lint/suspicious/noExplicitAny: any family, any event type
type AnyFamily = EventFamily<Record<string, Versions<any, any>>>;
const definitions = (families as unknown as readonly AnyFamily[]).flatMap((family) =>
  Object.entries(family.definitions).map(([type, versions]) => ({ family, type, versions })),
);
const definitionOf = (type: string) => definitions.find((definition) => definition.type === type) as (typeof definitions)[number];

// <Type>.v<version>.json, and <Type>.v<version>.<variant>.json where the same schema holds different things.
const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith('.json'));
const entries = files.map((file): [string, Entry] => [file, JSON.parse(readFileSync(`${import.meta.dirname}/${file}`, 'utf8'))]);

describe('the catalogue', () => {
  test('holds an event of every type and version, and no other', () => {
    const expected = definitions.flatMap(({ type, versions }) => versions.schemas.map((_, index) => `${type}.v${index + 1}`));
    expect(files.filter((file) => file.split('.').length === 3).sort()).toEqual(expected.map((name) => `${name}.json`).sort());
    for (const [file, { stored }] of entries) expect(file).toMatch(`${stored.type}.v${stored.version}.`);
  });

  test('has each type in one family only', () => {
    const types = definitions.map(({ type }) => type);
    expect(types).toEqual([...new Set(types)]);
  });

  test('has each category once, without a dash', () => {
    const categories = families.map(({ category }) => category);
    expect(categories).toEqual([...new Set(categories)]);
    for (const category of categories) expect(category).toMatch(/^[a-z][A-Za-z]*$/);
  });

  test("says in public whose key seals what is personal, in every version: a PSU's, or the aggregate's own", () => {
    for (const { type, versions } of definitions) {
      if (versions.personal === null) continue;
      const ofPsu = versions.schemas.map(({ shape }) => shape['psuId']?.type);
      expect([type, [...new Set(ofPsu)]]).toEqual([type, [ofPsu[0] && 'string']]);
    }
  });

  test('stops at a type, a version or a text that it does not know', () => {
    const [, { stored }] = entries[0] as [string, Entry];
    for (const change of [
      { type: 'Unheard' },
      { type: 'constructor' },
      { version: 99 },
      { version: 0 },
      { data: '{' },
      { data: 'null' },
      { data: '[]' },
    ])
      expect(() => decode({ ...stored, ...change })).toThrow(UnreadableEvent);
  });
});

describe.each(entries)('%s', (_, { stored, data, personal, sealedAs = personal }) => {
  const { family, versions } = definitionOf(stored.type);
  const { id, type, version, stream, revision, position, recordedAt, actor, correlationId } = stored;

  test('reads as it was meant', () => {
    // A sealed text can only be opened in this context: it stays as it is for ever, too.
    const context = `${stream}\n${revision}\n${id}\n${type}\n${version}`;
    expect(decode(stored)).toStrictEqual({
      id: stream.slice(stream.indexOf('-') + 1),
      eventId: id,
      revision,
      position,
      recordedAt,
      actor,
      correlationId,
      type,
      data,
      sealed: personal === undefined ? null : { psuId: data['psuId'] ?? stream.replace('-', ' '), version, context, text: stored.sealed },
    });
    expect(stream).toMatch(`${family.category}-`);
  });

  test('is written so, while its version is the newest', () => {
    if (version !== versions.schemas.length) return;
    const written = { version, data: stored.data, personal: personal === undefined ? null : JSON.stringify(personal) };
    expect(family.encode({ type, data, personal: personal ?? null })).toStrictEqual(written);
  });

  test('holds nothing that its schema does not name', () => {
    const kept = JSON.parse(stored.data);
    for (const wider of widened(kept)) expect(() => decode({ ...stored, data: JSON.stringify(wider) })).toThrow(UnreadableEvent);
  });

  test('lacks nothing', () => {
    const kept = JSON.parse(stored.data);
    for (const name of Object.keys(kept)) {
      const { [name]: _lost, ...rest } = kept;
      expect(() => decode({ ...stored, data: JSON.stringify(rest) })).toThrow(UnreadableEvent);
    }
  });

  test('has its personal part sealed', () => {
    const mayHave = versions.personal !== null && versions.personal.schemas[version - 1] !== null;
    if (!versions.personal?.optional || !mayHave) expect(mayHave).toBe(personal !== undefined);
    expect(stored.sealed === null).toBe(personal === undefined);
    const { sealed } = decode(stored);
    if (sealed === null || sealedAs === undefined) return;
    const opened = (plaintext: object | null) =>
      family.open(type, sealed, { seal: () => '', open: () => plaintext && JSON.stringify(plaintext) });
    expect(opened(sealedAs)).toStrictEqual(personal);
    expect(opened(null)).toBeNull();
    for (const wider of widened(sealedAs)) expect(() => opened(wider)).toThrow();
  });
});

// These hold what their makers like.
const FREE = ['keys', 'events', 'Data', 'Risk', 'authorizationDetails', 'requestContext'];

/** The same with one member more: in each of its objects in turn. */
function* widened(value: object): Generator<object> {
  if (!Array.isArray(value)) yield { ...value, extra: 1 };
  for (const [name, member] of Object.entries(value))
    if (typeof member === 'object' && member !== null && !FREE.includes(name))
      for (const wider of widened(member)) yield Array.isArray(value) ? value.with(Number(name), wider) : { ...value, [name]: wider };
}
