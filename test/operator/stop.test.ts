import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { trustingFetch } from '../../src/demo/trusting-fetch.ts';
import { freePort } from '../support/ports.ts';
import { freshEnvironment } from '../support/served.ts';
import { startServer } from '../support/server-process.ts';

const CLIENTS = 16;
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

const started = async (drainSeconds: number) => {
  const port = await freePort();
  const env = await freshEnvironment({
    COUNTERSIGN_OPERATOR_PORT: String(port),
    COUNTERSIGN_OPERATOR_DRAIN_SECONDS: String(drainSeconds),
  });
  const child = await startServer(env);
  children.push(child);
  const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
  const dataDir = env['COUNTERSIGN_DATA_DIR'] as string;
  const fetch = trustingFetch(readFileSync(join(dataDir, 'tls/ca.pem'), 'utf8'));
  const { client } = JSON.parse(readFileSync(join(dataDir, 'sandbox/sandbox.json'), 'utf8'));
  const headers = {
    authorization: `Basic ${btoa(`${client.clientId}:${client.clientSecret}`)}`,
    'content-type': 'application/x-www-form-urlencoded',
  };
  const issuer = `https://localhost:${env['COUNTERSIGN_SERVER_PORT']}`;
  const introspect = () => fetch(`${issuer}/oauth2/introspect`, { method: 'POST', headers, body: 'token=unknown' });
  return { child, ended, introspect, operator: `http://127.0.0.1:${port}` };
};

const codeOf = (error: unknown): string => {
  const { cause } = error as { cause?: { code?: string; errors?: { code?: string }[] } };
  return cause?.code ?? cause?.errors?.[0]?.code ?? String(error);
};

describe('a signal to stop', () => {
  test('is told to balancers at once, and no request fails that found the listener', async () => {
    const { child, ended, introspect, operator } = await started(1);
    const failures: string[] = [];
    let answered = 0;
    let answeredAfterSignal = 0;
    let signalled = false;
    const ask = async () => {
      try {
        for (;;) {
          const response = await introspect();
          if (response.status !== 200) failures.push(String(response.status));
          await response.text();
          answered += 1;
          if (signalled) answeredAfterSignal += 1;
        }
      } catch (error) {
        // Nobody listens any more: a balancer has gone elsewhere long since.
        if (codeOf(error) !== 'ECONNREFUSED') failures.push(codeOf(error));
      }
    };
    const load = Array.from({ length: CLIENTS }, ask);
    while (answered < 10 * CLIENTS) await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await fetch(`${operator}/readyz`)).status).toBe(200);

    child.kill('SIGTERM');
    signalled = true;
    const deadline = Date.now() + 1000;
    let ready = 200;
    while (ready === 200 && Date.now() < deadline) ready = (await fetch(`${operator}/readyz`)).status;
    expect(ready).toBe(503);
    expect((await fetch(`${operator}/livez`)).status).toBe(200);
    expect((await introspect()).status).toBe(200);

    await Promise.all(load);
    expect(failures).toEqual([]);
    expect(answeredAfterSignal).toBeGreaterThan(CLIENTS);
    expect(await ended).toEqual([0, null]);
  }, 60_000);

  test('that comes a second time stops at once', async () => {
    const { child, ended, introspect, operator } = await started(600);
    child.kill('SIGTERM');
    while ((await fetch(`${operator}/readyz`)).status === 200) await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await introspect()).status).toBe(200);
    child.kill('SIGTERM');
    expect(await ended).toEqual([1, null]);
  }, 60_000);
});
