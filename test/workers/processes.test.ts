import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { requestIdOf } from '../../src/domain/ciba-request/id.ts';
import { ask, type Connection, type Engine, enginesOfTests, environmentWith, MAIN, pollOf, secretOf, until } from './support.ts';

const TPP = secretOf('tpp');

const startEngine = enginesOfTests();

const started = async (workers: number, more: Record<string, string> = {}) => {
  const env = await environmentWith({ tpp: {} }, more);
  return { engine: await startEngine(workers, env), env };
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
const answers = async (engine: Engine): Promise<boolean> => {
  try {
    const [one] = (await engine.connections(1)) as [Connection];
    await one.close();
    return true;
  } catch {
    return false;
  }
};
/** What the engine has logged as a fault of a worker. */
const faults = ({ errors }: Engine): { time: number }[] =>
  errors()
    .split('\n')
    .filter((line) => line.includes('"what":"worker"'))
    .map((line) => JSON.parse(line));

describe('the workers', () => {
  test('take connections in turn', async () => {
    const { engine } = await started(2);
    const connections = await engine.connections(6);
    const [stopped = 0] = engine.workers();
    process.kill(stopped, 'SIGSTOP');
    const answered = new Set<number>();
    const calls = connections.map(({ fetch }, index) => fetch(`${engine.issuer}/oauth2/jwks`).then(() => answered.add(index)));
    const [even, odd] = [
      [0, 2, 4],
      [1, 3, 5],
    ] as const;
    await Promise.race([even, odd].map((half) => Promise.all(half.map((index) => calls[index]))));
    expect([even, odd]).toContainEqual([...answered].sort());
    process.kill(stopped, 'SIGCONT');
    await Promise.all(calls);
    for (const one of connections) await one.close();
  }, 60_000);

  test('are replaced when they die, and the others go on', async () => {
    const { engine } = await started(2);
    const connections = await engine.connections(4);
    const authReqId = await ask(connections[0] as Connection, TPP);
    const [one = 0, other = 0] = engine.workers();
    process.kill(one, 'SIGKILL');
    const seen = await Promise.allSettled(connections.map(({ post }) => post('/oauth2/token', pollOf(TPP, authReqId))));
    const polls = seen.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value.body['error']] : []));
    expect(polls.length).toBeGreaterThanOrEqual(2);
    expect(polls.filter((error) => error !== 'slow_down')).toEqual(['authorization_pending']);
    await until(() => engine.workers().length === 2 && !engine.workers().includes(one));
    process.kill(other, 'SIGKILL');
    await until(() => answers(engine));
    expect(engine.workers()).not.toContain(other);
    expect(faults(engine)).toHaveLength(2);
    for (const one of connections) await one.close();
  }, 60_000);

  test('are started again ever more rarely when they die at once, and serve when they can', async () => {
    const { engine } = await started(2);
    const directory = join(engine.dataDir, 'sandbox/psus.json');
    const whole = readFileSync(directory, 'utf8');
    writeFileSync(directory, 'broken');
    for (const pid of engine.workers()) process.kill(pid, 'SIGKILL');
    await until(() => faults(engine).length >= 8);
    writeFileSync(directory, whole);
    const times = faults(engine).map(({ time }) => time);
    const pairs = times.map((time, index) => time - (times[index - 2] ?? time)).slice(2, 8);
    // Each of the two: at once, then after 100 ms, 200 ms.
    for (const [index, least] of [0, 0, 100, 100, 200, 200].entries()) expect(pairs[index]).toBeGreaterThanOrEqual(least);
    await until(() => answers(engine));
    expect(engine.process.exitCode).toBeNull();
  }, 60_000);

  test('end with the process that owns the log, and acknowledge nothing after it', async () => {
    const { engine } = await started(2);
    const workers = engine.workers();
    const connections = await engine.connections(8);
    const acknowledged: string[] = [];
    const asking = Promise.allSettled(
      connections.map(async (one) => {
        for (;;) acknowledged.push(await ask(one, TPP));
      }),
    );
    await until(() => acknowledged.length > 50);
    engine.process.kill('SIGKILL');
    await asking;
    await until(() => !workers.some(isAlive));
    expect(await answers(engine)).toBe(false);
    const streams = new Set((await engine.log()).map(({ stream }) => stream));
    for (const authReqId of acknowledged) expect(streams).toContain(`cibaRequest-${requestIdOf(authReqId, systemIds)}`);
    for (const one of connections) await one.close();
  }, 60_000);
});

describe.each([1, 2])('a stop of %d', (workers) => {
  test('lets every request have its answer, and every connection end behind one', async () => {
    const { engine } = await started(workers);
    const connections = await engine.connections(16);
    const refused: unknown[] = [];
    let answered = 0;
    const load = connections.map(async (one) => {
      for (;;) {
        const response = await one
          .fetch(`${engine.issuer}/oauth2/ciba`, {
            method: 'POST',
            headers: { 'content-type': 'application/x-www-form-urlencoded' },
            body: new URLSearchParams({ ...TPP, scope: 'openid accounts', login_hint: 'alice' }).toString(),
          })
          .catch((error: Error & { cause?: { code?: string } }) => {
            refused.push(error.cause?.code);
            return null;
          });
        if (response === null) return;
        expect(response.status).toBe(200);
        await response.text();
        answered += 1;
      }
    });
    await until(() => answered > 100);
    engine.process.kill('SIGTERM');
    await Promise.all(load);
    // A new connection is refused; on none that was open was anything lost.
    expect(new Set(refused)).toEqual(new Set(['ECONNREFUSED']));
    expect(await engine.ended).toBe(0);
    const received = (await engine.log()).filter(({ type }) => type === 'CibaRequestReceived');
    expect(received).toHaveLength(answered);
    expect(faults(engine)).toEqual([]);
  }, 60_000);

  test('with a second signal is one at once', async () => {
    const { engine } = await started(workers, { COUNTERSIGN_OPERATOR_DRAIN_SECONDS: '3600' });
    const processes = workers === 1 ? [] : engine.workers();
    const [one] = (await engine.connections(1)) as [Connection];
    engine.process.kill('SIGTERM');
    await until(async () => (await one.fetch(`${engine.issuer}/readyz`)).status === 503);
    engine.process.kill('SIGTERM');
    expect(await engine.ended).toBe(1);
    await until(() => !processes.some(isAlive));
    await one.close();
  }, 60_000);
});

describe('a second engine on the same data', () => {
  test.each([
    [1, 1],
    [1, 2],
    [2, 1],
    [2, 2],
  ])(
    'is refused with one line: behind %d, with %d',
    async (first, second) => {
      const { engine, env } = await started(first);
      const server = spawn(process.execPath, [MAIN, '--workers', String(second)], {
        env: { ...process.env, ...env },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let errors = '';
      server.stderr.on('data', (text: Buffer) => {
        errors += text;
      });
      const [code] = await once(server, 'close');
      expect([code, errors.trim().split('\n')]).toEqual([1, [expect.stringContaining('another Countersign process is writing to')]]);
      expect(await answers(engine)).toBe(true);
    },
    60_000,
  );
});
