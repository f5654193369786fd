import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Served, served, temporaryFolder } from '../support/served.ts';
import { examplesAgainst } from './example.ts';

let engine: Served;
let example: ReturnType<typeof examplesAgainst>;
let psu: { username: string; password: string };
beforeAll(async () => {
  engine = await served();
  example = examplesAgainst(engine);
  psu = engine.serving.sandbox?.psus[0] ?? { username: '', password: '' };
});
afterAll(() => engine?.serving.close());

/** The example device: what it is told to do, and what it prints then. */
const device = () => {
  const kept = { DEVICE_FILE: join(temporaryFolder(), 'device.json') };
  return (...args: string[]) => example('device/device.ts', args, kept).ended;
};

describe('the examples', () => {
  test('openid-client asks, the device approves, and the tokens end with the consent', async () => {
    const phone = device();
    expect(await phone('enrol', psu.username, psu.password)).toMatch(/^enrolled [\w-]{36}$/m);
    const tpp = example('openid-client/ciba.ts');
    await tpp.printed('W4SCT');
    expect(await phone('approve')).toMatch(/^approved$/m);
    const printed = await tpp.ended;
    expect(printed).toMatch(/^consent [\w-]{36}: AwaitingAuthorisation$/m);
    expect(printed).toMatch(/^consent [\w-]{36}: Authorised$/m);
    expect(printed).toContain('the access token is active: true');
    expect(printed).toContain('the consent is deleted; the access token is active: false');
    expect(await phone('remove')).toBe('removed\n');
  });

  test('the device denies, and openid-client is told so', async () => {
    const phone = device();
    await phone('enrol', psu.username, psu.password);
    const tpp = example('openid-client/ciba.ts');
    await tpp.printed('W4SCT');
    expect(await phone('deny')).toMatch(/^denied$/m);
    await expect(tpp.ended).rejects.toThrow('access_denied');
    expect(await phone('approve')).toBe('nothing waits\n');
    await phone('remove');
  });

  test('curl plays the whole ceremony, with a phone that signs by openssl', async () => {
    const printed = await example('curl/ciba.sh').ended;
    expect(printed).toMatch(/# The TPP polls\n\{.*"active":true/);
    expect(printed).toMatch(/the token is inactive\n\{"active":false\}\n$/);
  });

  test('stand where their README says', () => {
    const root = join(import.meta.dirname, '../..');
    const named = readFileSync(join(root, 'examples/README.md'), 'utf8').match(/examples\/[\w./-]+\w/g) ?? [];
    expect(named.filter((file) => !existsSync(join(root, file)) && !existsSync(join(root, 'test', file)))).toEqual([]);
    expect(named).not.toEqual([]);
  });
});
