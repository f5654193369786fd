import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import type { Sealed } from '../../src/domain/ports/sealer.ts';
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
const bytesOf = (text: string): Buffer => Buffer.from(text, 'base64url');

describe('a sealed text', () => {
  const keys = psuKeys(':memory:', MASTER);

  test('is read back, whatever it says and wherever it stands', () => {
    const property = fc.property(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'binary' }),
      fc.string({ minLength: 1 }),
      (plaintext, context, psuId) => {
        const text = keys.seal(psuId, plaintext, context);
        expect(keys.open({ psuId, version: 1, context, text })).toBe(plaintext);
      },
    );
    fc.assert(property);
  });

  test('is another one each time', () => {
    const texts = Array.from({ length: 100 }, () => keys.seal('psu-1', 'a secret', 'a place'));
    expect(new Set(texts).size).toBe(100);
    for (const text of texts) expect(bytesOf(text).toString('latin1')).not.toContain('a secret');
  });

  test('cannot be opened in another place', () => {
    const text = keys.seal('psu-1', 'a secret', 'a place');
    for (const context of ['another place', 'a place ', '']) expect(() => keys.open(sealed(text, { context }))).toThrow('another place');
  });

  test("cannot be opened with another person's key", () => {
    keys.seal('psu-2', 'a secret', 'a place');
    expect(() => keys.open(sealed(keys.seal('psu-1', 'a secret', 'a place'), { psuId: 'psu-2' }))).toThrow('another key');
  });

  test('cannot be opened with any bit of it changed', () => {
    const bytes = bytesOf(keys.seal('psu-1', 'a secret', 'a place'));
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => keys.open(sealed(changed.toString('base64url')))).toThrow();
    }
  });

  test('cannot be opened when it is cut or continued', () => {
    const bytes = bytesOf(keys.seal('psu-1', 'a secret', 'a place'));
    for (let length = 0; length < bytes.length; length += 1)
      expect(() => keys.open(sealed(bytes.subarray(0, length).toString('base64url')))).toThrow();
    expect(() => keys.open(sealed(Buffer.concat([bytes, Buffer.alloc(1)]).toString('base64url')))).toThrow();
  });

  test('is gone with the key of its person', () => expect(keys.open(sealed('whatever', { psuId: 'nobody' }))).toBeNull());
});

describe('the keys', () => {
  test('are kept, and each is its own', () => {
    const file = newFile();
    const keys = psuKeys(file, MASTER);
    const texts = ['psu-1', 'psu-2'].map((psuId) => sealed(keys.seal(psuId, `of ${psuId}`, 'a place'), { psuId }));
    keys.close();
    const again = psuKeys(file, MASTER);
    expect(texts.map((text) => again.open(text))).toEqual(['of psu-1', 'of psu-2']);
    expect(() => again.open({ ...(texts[0] as Sealed), psuId: 'psu-2' })).toThrow();
    again.close();
  });

  test('are of no use without the master key', () => {
    const file = newFile();
    const keys = psuKeys(file, MASTER);
    const text = sealed(keys.seal('psu-1', 'a secret', 'a place'));
    keys.close();
    const stolen = psuKeys(file, Buffer.alloc(32, 8));
    expect(() => stolen.open(text)).toThrow();
    expect(() => stolen.seal('psu-1', 'a secret', 'a place')).toThrow();
    stolen.close();
  });

  test('cannot be exchanged for one another', () => {
    const file = newFile();
    const keys = psuKeys(file, MASTER);
    const text = sealed(keys.seal('psu-1', 'a secret', 'a place'));
    keys.seal('psu-2', 'a secret', 'a place');
    keys.close();
    const db = new DatabaseSync(file);
    db.exec(`update psu_key set wrapped = (select wrapped from psu_key where psu_id = 'psu-2') where psu_id = 'psu-1'`);
    db.close();
    const again = psuKeys(file, MASTER);
    expect(() => again.open(text)).toThrow();
    again.close();
  });

  test('that were erased open nothing, and leave no trace in the file', () => {
    const file = newFile();
    const keys = psuKeys(file, MASTER);
    const text = sealed(keys.seal('psu-1', 'a secret', 'a place'));
    const kept = sealed(keys.seal('psu-2', 'a secret', 'a place'), { psuId: 'psu-2' });
    keys.close();
    const db = new DatabaseSync(file);
    db.exec('pragma secure_delete=on');
    const { wrapped } = db.prepare(`delete from psu_key where psu_id = 'psu-1' returning wrapped`).get() as { wrapped: string };
    db.close();
    expect(readFileSync(file, 'latin1')).not.toContain(wrapped);
    const again = psuKeys(file, MASTER);
    expect(again.open(text)).toBeNull();
    expect(again.open(kept)).toBe('a secret');
    again.close();
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

  test('that another process has erased open nothing any more after ten seconds', () => {
    let now = 1000;
    const file = newFile();
    const keys = psuKeys(file, MASTER, { now: () => now });
    const text = sealed(keys.seal('psu-1', 'a secret', 'a place'));
    const db = new DatabaseSync(file);
    db.exec(`delete from psu_key where psu_id = 'psu-1'`);
    db.close();
    now += 10_001;
    expect(keys.open(text)).toBeNull();
    keys.close();
  });
});
