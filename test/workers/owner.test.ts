import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { temporaryFolder } from '../support/served.ts';
import { ask, enginesOfTests, environmentWith, pollOf, secretOf, until } from './support.ts';

const TPP = secretOf('tpp');

const startEngine = enginesOfTests();

describe('what the process that owns the log does for its workers', () => {
  test('it changes the signing keys, and all of them publish the same', async () => {
    const engine = await startEngine(2, await environmentWith({}));
    const { issuer, process: owner } = engine;
    const connections = await engine.connections(4);
    const published = () =>
      Promise.all(connections.map(async ({ fetch }) => ((await (await fetch(`${issuer}/oauth2/jwks`)).json()) as { keys: object[] }).keys));
    expect((await published()).map((keys) => keys.length)).toEqual([2, 2, 2, 2]);
    owner.kill('SIGUSR2');
    await until(async () => (await published()).every((keys) => keys.length === 4));
    const [first, ...others] = await published();
    for (const keys of others) expect(keys).toEqual(first);
    for (const one of connections) await one.close();
  }, 60_000);

  test('it answers by the rules of the sandbox; its workers answer when they are asked to', async () => {
    const rulesFile = join(temporaryFolder(), 'rules.json');
    writeFileSync(rulesFile, JSON.stringify({ rules: [{ login_hint: 'alice', answer: 'approve', after_seconds: 0 }] }));
    const settings = { COUNTERSIGN_SANDBOX_AUTOMATED_APPROVER: 'true', COUNTERSIGN_SANDBOX_RULES_FILE: rulesFile };
    const engine = await startEngine(2, await environmentWith({ tpp: {} }, settings));
    const { issuer } = engine;
    const connections = await engine.connections(4);
    for (const at of connections) {
      const authReqId = await ask(at, TPP);
      const { status } = await at.post('/oauth2/token', pollOf(TPP, authReqId), { prefer: 'wait=20' });
      expect(status).toBe(200);
    }
    const asked = await Promise.all(connections.map((at) => ask(at, TPP, { login_hint: 'bob' })));
    const told = await Promise.all(
      connections.map(({ fetch }, n) => fetch(`${issuer}/sandbox/ciba/${asked[n]}/allow`, { method: 'POST' }).then(({ status }) => status)),
    );
    expect(told).toEqual(connections.map(() => 200));
    for (const [n, at] of connections.entries()) expect((await at.post('/oauth2/token', pollOf(TPP, String(asked[n])))).status).toBe(200);
    for (const one of connections) await one.close();
    // Each of the three processes may have made a device for Bob, whom two asked for at once; the one for Alice is the owner's.
    const devices = (await engine.log()).filter(({ type }) => type === 'DeviceRegistered').length;
    expect(devices).toBeGreaterThanOrEqual(2);
    expect(devices).toBeLessThanOrEqual(3);
  }, 60_000);
});
