import cluster, { type ClusterSettings } from 'node:cluster';
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { loadConfig } from '../../src/config.ts';
import { logger } from '../../src/serve/logger.ts';
import { serve } from '../../src/serve.ts';
import { temporaryFolder } from '../support/served.ts';
import { ask, connection, enginesOfTests, environmentWith, pollOf, secretOf, until } from './support.ts';

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

test('a worker that the system refuses to start is no end of the others, and is started when it lets it', async () => {
  const { config } = loadConfig({ env: await environmentWith({}, { COUNTERSIGN_SERVER_WORKERS: '2' }), cwd: tmpdir() });
  const lines: string[] = [];
  const serving = await serve(config, { say: () => undefined, log: logger(config, { write: (line: string) => void lines.push(line) }) });
  const workers = () => Object.values(cluster.workers ?? {}).flatMap((worker) => worker?.process.pid ?? []);
  const answers = async () => {
    const one = connection(config.issuer, readFileSync(serving.caFile ?? '', 'utf8'));
    const { status } = await one.fetch(`${config.issuer}/oauth2/jwks`);
    await one.close();
    return status;
  };
  // The first is an error that is told later, as a process too many is; the other one is thrown, as it is where there is no memory.
  const refusals: [ClusterSettings, string][] = [
    [{ cwd: join(temporaryFolder(), 'nowhere') }, 'ENOENT'],
    [{ uid: 0.5 }, 'ERR_INVALID_ARG_TYPE'],
  ];
  try {
    for (const [refusal, code] of refusals) {
      const [other = 0, killed = 0] = workers();
      cluster.setupPrimary(refusal);
      process.kill(killed, 'SIGKILL');
      await until(() => lines.some((line) => line.includes(code)));
      expect([workers(), await answers()]).toEqual([[other], 200]);
      cluster.setupPrimary({ cwd: undefined, uid: undefined } as unknown as ClusterSettings);
      await until(() => workers().length === 2);
    }
  } finally {
    await serving.close();
  }
  expect(workers()).toEqual([]);
}, 60_000);
