import { generateKeyPairSync } from 'node:crypto';
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { kidOf, privateKeyFiles } from '../../../src/adapters/keys/private-keys.ts';
import { signingKeys } from '../../../src/adapters/keys/signing-keys.ts';
import { temporaryFolder } from '../../support/served.ts';

const MASTER = Buffer.alloc(32, 7);
const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

describe('private keys in files', () => {
  test('are read again by another process, and nobody else can read them', () => {
    const dir = join(temporaryFolder(), 'keys');
    const key = newKey();
    const kid = kidOf(key);
    const [one, other] = [privateKeyFiles(dir, MASTER), privateKeyFiles(dir, MASTER)];
    one.keep(key);
    for (const keys of [other, privateKeyFiles(dir, MASTER)]) expect(keys.find(kid)?.equals(key)).toBe(true);
    const [file = ''] = readdirSync(dir);
    expect(file).toBe(`signing-${kid}.key`);
    expect(statSync(join(dir, file)).mode & 0o777).toBe(0o600);
    const text = readFileSync(join(dir, file), 'utf8');
    const { d } = key.export({ format: 'jwk' });
    const bytes = Buffer.from(text, 'base64url');
    expect([text.includes(String(d)), bytes.includes(Buffer.from(String(d), 'base64url'))]).toEqual([false, false]);
    one.erase(kid);
    expect([one.find(kid), readdirSync(dir)]).toEqual([null, []]);
    one.erase(kid);
  });

  test('open with the same master key only, unchanged, and under their own name only', () => {
    const dir = join(temporaryFolder(), 'keys');
    const keys = privateKeyFiles(dir, MASTER);
    const [one, other] = [newKey(), newKey()];
    for (const key of [one, other]) keys.keep(key);
    expect(() => privateKeyFiles(dir, Buffer.alloc(32, 8))).toThrow('cannot be opened with this master key');
    copyFileSync(join(dir, `signing-${kidOf(one)}.key`), join(dir, `signing-${kidOf(other)}.key`));
    expect(() => privateKeyFiles(dir, MASTER)).toThrow(kidOf(other));
    writeFileSync(join(dir, `signing-${kidOf(other)}.key`), '');
    expect(() => privateKeyFiles(dir, MASTER)).toThrow(kidOf(other));
  });

  test('take over the plain file of version 0.1, also when that was interrupted', async () => {
    const dir = temporaryFolder();
    const plain = join(dir, 'signing.json');
    const [es256, ps256] = [newKey(), generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey];
    privateKeyFiles(dir, MASTER).keep(es256);
    const jwks = [es256, ps256].map((key) => ({ ...key.export({ format: 'jwk' }), use: 'sig' }));
    writeFileSync(plain, JSON.stringify({ keys: jwks }));
    const signer = signingKeys(dir, MASTER);
    expect(existsSync(plain)).toBe(false);
    // The first keys of the log are those that relying parties know.
    expect((await signer.offer('ES256')).kid).toBe(kidOf(es256));
    expect((await signer.offer('PS256')).kid).toBe(kidOf(ps256));
    expect(readdirSync(dir).every((file) => !readFileSync(join(dir, file), 'utf8').includes('"d"'))).toBe(true);
  });

  test('leave the plain file where it is when it cannot be read', () => {
    const dir = temporaryFolder();
    writeFileSync(join(dir, 'signing.json'), '{"keys":[{"kty":"EC"}]}');
    expect(() => privateKeyFiles(dir, MASTER)).toThrow();
    expect(existsSync(join(dir, 'signing.json'))).toBe(true);
  });
});
