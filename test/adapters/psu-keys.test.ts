import { createSecretKey, hash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { encrypt } from '../../src/adapters/keys/aes-gcm.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import type { Sealed, SealedFor } from '../../src/domain/ports/sealer.ts';
import { KeyErased } from '../../src/domain/psu/key-erased.ts';
import { openWithEventKey } from '../../src/evidence/sealed-text.ts';
import { startProcess } from '../support/child-process.ts';

const dir = mkdtempSync(join(tmpdir(), 'countersign-keys-'));
afterAll(() => rmSync(dir, { recursive: true }));
let files = 0;
const newFile = (): string => {
  files += 1;
  return join(dir, `${files}.sqlite`);
};

const MASTER = Buffer.alloc(32, 7);
const sealed = (text: string, given: Partial<Sealed> = {}): Sealed => ({ psuId: 'psu-1', version: 1, context: 'a place', text, ...given });
const of = (psuId: string, at = 1_700_000_000): SealedFor => ({ psuId, retention: 'request', at });
const PREFIX = '2.request.2023-11.';
const bytesOf = (text: string): Buffer => Buffer.from(text.slice(PREFIX.length), 'base64url');
const textOf = (bytes: Buffer): string => PREFIX + bytes.toString('base64url');

describe('a sealed text', () => {
  const keys = psuKeys(':memory:', MASTER);

  test('is read back, whatever it says and wherever it stands', () => {
    const property = fc.property(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'binary' }),
      fc.string({ minLength: 1 }),
      (plaintext, context, psuId) => {
        const text = keys.seal(of(psuId), plaintext, context);
        expect(keys.open({ psuId, version: 1, context, text })).toBe(plaintext);
      },
    );
    fc.assert(property);
  });

  test('is another one each time', () => {
    const texts = Array.from({ length: 100 }, () => keys.seal(of('psu-1'), 'a secret', 'a place'));
    expect(new Set(texts).size).toBe(100);
    for (const text of texts) expect(bytesOf(text).toString('latin1')).not.toContain('a secret');
  });

  test('cannot be opened in another place', () => {
    const text = keys.seal(of('psu-1'), 'a secret', 'a place');
    for (const context of ['another place', 'a place ', '']) expect(() => keys.open(sealed(text, { context }))).toThrow('another place');
  });

  test("cannot be opened with another person's key", () => {
    keys.seal(of('psu-2'), 'a secret', 'a place');
    expect(() => keys.open(sealed(keys.seal(of('psu-1'), 'a secret', 'a place'), { psuId: 'psu-2' }))).toThrow('another key');
  });

  test('cannot be opened with any bit of it changed', () => {
    const bytes = bytesOf(keys.seal(of('psu-1'), 'a secret', 'a place'));
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => keys.open(sealed(textOf(changed)))).toThrow();
    }
  });

  test('cannot be opened when it is cut or continued', () => {
    const bytes = bytesOf(keys.seal(of('psu-1'), 'a secret', 'a place'));
    for (let length = 0; length < bytes.length; length += 1) expect(() => keys.open(sealed(textOf(bytes.subarray(0, length))))).toThrow();
    expect(() => keys.open(sealed(textOf(Buffer.concat([bytes, Buffer.alloc(1)]))))).toThrow();
  });

  test('is gone with the key of its person', () => expect(keys.open(sealed('whatever', { psuId: 'nobody' }))).toBeNull());
});

describe('the key of one event', () => {
  const keys = psuKeys(':memory:', MASTER);
  const [one, other] = ['a place', 'another place'].map((context) =>
    sealed(keys.seal(of('psu-1'), `in ${context}`, context), { context }),
  ) as [Sealed, Sealed];

  test('opens that event without any other key', () => {
    const key = keys.eventKey(one) as string;
    expect(openWithEventKey(one.text, one.context, key)).toBe('in a place');
    expect(keys.eventKey(one)).toBe(key);
  });

  test('opens no other, and nothing that was changed', () => {
    const key = keys.eventKey(one) as string;
    expect(() => openWithEventKey(other.text, other.context, key)).toThrow('another key');
    expect(() => openWithEventKey(one.text, other.context, key)).toThrow('another place');
    expect(() => openWithEventKey(one.text, one.context, keys.eventKey(other) as string)).toThrow('another key');
    const bytes = bytesOf(one.text);
    for (let byte = 0; byte < bytes.length; byte += 1) {
      const changed = Buffer.from(bytes);
      changed[byte] = (changed[byte] as number) ^ 1;
      expect(() => openWithEventKey(textOf(changed), one.context, key)).toThrow();
    }
    for (const text of ['', 'whatever', PREFIX, one.text.slice(PREFIX.length)])
      expect(() => openWithEventKey(text, one.context, key)).toThrow();
  });

  test('is gone with the key that it comes from', async () => {
    await keys.erase('psu-1');
    expect(keys.eventKey(one)).toBeNull();
  });
});

const wrappedIn = (file: string): [string, string][] => {
  const db = new DatabaseSync(file, { readOnly: true });
  const rows = db.prepare('select psu_id, wrapped from sealing_key').all();
  db.close();
  return rows.map((row) => [row['psu_id'] as string, row['wrapped'] as string]);
};

describe('the keys', () => {
  test('are kept, and each is its own', () => {
    const file = newFile();
    const keys = psuKeys(file, MASTER);
    const texts = ['psu-1', 'psu-2'].map((psuId) => sealed(keys.seal(of(psuId), `of ${psuId}`, 'a place'), { psuId }));
    keys.close();
    const again = psuKeys(file, MASTER);
    expect(texts.map((text) => again.open(text))).toEqual(['of psu-1', 'of psu-2']);
    expect(() => again.open({ ...(texts[0] as Sealed), psuId: 'psu-2' })).toThrow();
    again.close();
  });

  test('are of no use without the master key', () => {
    const file = newFile();
    const keys = psuKeys(file, MASTER);
    const text = sealed(keys.seal(of('psu-1'), 'a secret', 'a place'));
    keys.close();
    const stolen = psuKeys(file, Buffer.alloc(32, 8));
    expect(() => stolen.open(text)).toThrow();
    expect(() => stolen.seal(of('psu-1'), 'a secret', 'a place')).toThrow();
    stolen.close();
  });

  test('cannot be exchanged for one another', () => {
    const file = newFile();
    const keys = psuKeys(file, MASTER);
    const text = sealed(keys.seal(of('psu-1'), 'a secret', 'a place'));
    keys.seal(of('psu-2'), 'a secret', 'a place');
    keys.close();
    const db = new DatabaseSync(file);
    db.exec(`update sealing_key set wrapped = (select wrapped from sealing_key where psu_id = 'psu-2') where psu_id = 'psu-1'`);
    db.close();
    const again = psuKeys(file, MASTER);
    expect(() => again.open(text)).toThrow();
    again.close();
  });

  test('that were erased open nothing, leave no trace in the file, and are never made again', async () => {
    const file = newFile();
    const keys = psuKeys(file, MASTER);
    // Enough for pages of the file to be divided and joined.
    const psus = Array.from({ length: 200 }, (_, n) => `psu-${n}`);
    const texts = psus.map((psuId) => sealed(keys.seal(of(psuId), `of ${psuId}`, 'a place'), { psuId }));
    const wrapped = wrappedIn(file);
    for (const psuId of psus.slice(0, 150)) await keys.erase(psuId);
    await keys.destroy(psus.slice(150, 180).map((psuId) => ({ psuId, name: 'request.2023-11' })));
    const bytes = [file, `${file}-wal`].map((one) => readFileSync(one, 'latin1')).join();
    for (const [psuId, text] of wrapped) expect([psuId, bytes.includes(text)]).toEqual([psuId, psus.indexOf(psuId) >= 180]);
    const others = psuKeys(file, MASTER);
    for (const own of [keys, others])
      for (const [n, text] of texts.entries()) expect(own.open(text)).toBe(n < 180 ? null : `of ${text.psuId}`);
    for (const psuId of [psus[0], psus[170]] as string[]) expect(() => others.seal(of(psuId), 'again', 'a place')).toThrow(KeyErased);
    // The next month has a key of its own, but not of somebody who was erased.
    expect(() => others.seal(of('psu-0', 1_703_000_000), 'again', 'a place')).toThrow(KeyErased);
    others.seal(of('psu-170', 1_703_000_000), 'again', 'a place');
    keys.close();
    others.close();
  });

  test('are forgotten at once by a process that is told, though the file has them still', () => {
    const file = newFile();
    const [keys, others] = [psuKeys(file, MASTER), psuKeys(file, MASTER)];
    const text = sealed(keys.seal(of('psu-1'), 'a secret', 'a place'));
    const later = sealed(keys.seal(of('psu-1', 1_703_000_000), 'a secret', 'a place'));
    others.forget('psu-1', ['request.2023-11']);
    expect([others.open(text), others.open(later), keys.open(text)]).toEqual([null, 'a secret', 'a secret']);
    others.forget('psu-1', 'all');
    expect(others.open(later)).toBeNull();
    expect(() => others.seal(of('psu-1'), 'a secret', 'a place')).toThrow(KeyErased);
    keys.close();
    others.close();
  });

  test('of a file of older versions open what they had sealed, and seal no more', async () => {
    const file = newFile();
    const only = randomBytes(32);
    const older = new DatabaseSync(file);
    older.exec('create table psu_key (psu_id text primary key, wrapped text not null) strict, without rowid');
    older.prepare('insert into psu_key values (?, ?)').run('psu-1', encrypt(createSecretKey(MASTER), only, 'psu-1').toString('base64url'));
    older.close();
    const commits = hash('sha256', Buffer.concat([Buffer.from('countersign/commitment\n'), only]), 'base64url');
    const commitment = hash('sha256', `${commits}\na place`, 'buffer');
    const encrypted = encrypt(createSecretKey(only), Buffer.from('a secret'), 'a place');
    const text = sealed(Buffer.concat([commitment, encrypted]).toString('base64url'));
    const keys = psuKeys(file, MASTER);
    expect(keys.open(text)).toBe('a secret');
    expect(keys.eventKey(text)).toBeNull();
    expect(() => keys.open({ ...text, context: 'another place' })).toThrow('another place');
    const next = keys.seal(of('psu-1'), 'another secret', 'a place');
    expect(next).toMatch(/^2\.request\.2023-11\./);
    expect(keys.open(sealed(next))).toBe('another secret');
    await keys.erase('psu-1');
    expect([keys.open(text), keys.open(sealed(next))]).toEqual([null, null]);
    keys.close();
  });

  test('are on the disk before what they sealed is handed out: kill -9 loses none', async () => {
    const file = newFile();
    const child = startProcess('seal-once', [file, MASTER.toString('hex')]);
    await child.printed(1);
    await child.kill();
    const keys = psuKeys(file, MASTER);
    expect(keys.open(sealed(child.lines[0] as string))).toBe('a secret');
    keys.close();
  });

  test('are made once, whoever of several processes is first: what each has sealed opens everywhere', async () => {
    const file = newFile();
    psuKeys(file, MASTER).close();
    const moment = Date.now() + 1500;
    const children = Array.from({ length: 3 }, () => startProcess('seal-at-once', [file, MASTER.toString('hex'), String(moment)]));
    await Promise.all(children.map((child) => child.printed(1)));
    const keys = psuKeys(file, MASTER);
    for (const { lines } of children)
      for (const [n, text] of (lines[0] as string[]).entries()) expect(keys.open(sealed(text, { psuId: `psu-${n}` }))).toBe('a secret');
    keys.close();
  }, 30_000);

  test('that another process has made since are looked for', () => {
    const file = newFile();
    const [one, other] = [psuKeys(file, MASTER), psuKeys(file, MASTER)];
    const [november, december] = [of('psu-1'), of('psu-1', 1_702_000_000)];
    expect(other.open(sealed(one.seal(november, 'in November', 'a place')))).toBe('in November');
    const text = one.seal(december, 'in December', 'a place');
    expect(other.open(sealed(text))).toBe('in December');
    expect(other.eventKey(sealed(text))).not.toBeNull();
    for (const keys of [one, other]) keys.close();
  });

  test('that another process has erased open nothing any more after ten seconds', () => {
    let now = 1000;
    const file = newFile();
    const keys = psuKeys(file, MASTER, { now: () => now });
    const text = sealed(keys.seal(of('psu-1'), 'a secret', 'a place'));
    const db = new DatabaseSync(file);
    db.exec(`delete from sealing_key where psu_id = 'psu-1'`);
    db.close();
    now += 10_001;
    expect(keys.open(text)).toBeNull();
    keys.close();
  });
});
