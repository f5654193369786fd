import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { logKeyIn, logKeyInPem, moveLogKey, sharedLogKey } from '../../../src/adapters/evidence/log-key.ts';
import { inMemoryRecords } from '../../../src/adapters/shared/records.ts';
import { temporaryFolder } from '../../support/served.ts';

const [MASTER, OTHER] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const fresh = () => join(temporaryFolder(), 'keys', 'evidence.key');

describe('the key of an evidence log', () => {
  test('is made once, in a file that nobody else reads, and cannot be read there', () => {
    const file = fresh();
    const key = logKeyIn(file, MASTER);
    expect([key.asymmetricKeyType, logKeyIn(file, MASTER).equals(key), statSync(file).mode & 0o777]).toEqual(['ed25519', true, 0o600]);
    expect(readFileSync(file)).not.toContain(key.export({ format: 'jwk' }).d);
    expect(() => logKeyIn(file, OTHER)).toThrow(`${file} cannot be opened with this master key`);
  });

  test('is one for all nodes, whichever is first', async () => {
    const records = inMemoryRecords();
    const keys = await Promise.all(Array.from({ length: 10 }, () => sharedLogKey(records, MASTER)));
    for (const key of keys) expect(key.equals(keys[0] as typeof key)).toBe(true);
    await expect(sharedLogKey(records, OTHER)).rejects.toThrow('cannot be opened with this master key');
  });

  test('goes with a log into the records, once', async () => {
    const [file, records] = [fresh(), inMemoryRecords()];
    await moveLogKey(file, records, MASTER);
    expect(await records.read('tlog-key')).toBeNull();
    const key = logKeyIn(file, MASTER);
    for (let time = 0; time < 2; time += 1) await moveLogKey(file, records, MASTER);
    expect((await sharedLogKey(records, MASTER)).equals(key)).toBe(true);
    const other = inMemoryRecords();
    await sharedLogKey(other, MASTER);
    await expect(moveLogKey(file, other, MASTER)).rejects.toThrow('there is another key of the evidence log');
  });

  test('may be one of the operator, of the one kind', async () => {
    const file = join(temporaryFolder(), 'key.pem');
    const pem = (type: 'ed25519' | 'x25519') => generateKeyPairSync(type as 'ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' });
    const given = pem('ed25519');
    writeFileSync(file, given);
    expect((await logKeyInPem(file)).export({ format: 'pem', type: 'pkcs8' })).toBe(given);
    for (const other of [pem('x25519'), 'no key']) {
      writeFileSync(file, other);
      await expect(logKeyInPem(file)).rejects.toThrow(`${file} must hold an Ed25519 private key in PEM`);
    }
  });
});
