import { afterEach, describe, expect, test } from '@jest/globals';
import { type Page, pagesOfWorkers } from '../../src/serve/metrics/workers.ts';
import { type Metrics, makeMetrics } from '../../src/serve/metrics.ts';
import { metricsIn } from '../support/metrics.ts';
import { freePort } from '../support/ports.ts';
import { type Connection, enginesOfTests, environmentWith, type Form, secretOf, until } from '../workers/support.ts';

const startEngine = enginesOfTests();
const open: Metrics[] = [];
afterEach(() => {
  for (const metrics of open.splice(0)) metrics.close();
});

test.each([2, 4])(
  'each of %d workers refuses what is new while the process that writes the log is behind',
  async (workers) => {
    const settings = { COUNTERSIGN_LIMITS_APPENDS: String(4 * workers) };
    const engine = await startEngine(workers, await environmentWith({ tpp: {} }, settings));
    const connections = await engine.connections(6 * workers);
    const tpp = secretOf('tpp');
    const post = (at: number, path: string, form: Form) => (connections[at] as Connection).post(path, { ...tpp, ...form });
    const request = (at: number) => post(at, '/oauth2/ciba', { scope: 'openid accounts', login_hint: 'alice' });
    for (let at = 0; at < workers; at += 1) expect((await request(at)).status).toBe(200);
    engine.process.kill('SIGSTOP');
    const begun = Array.from({ length: 4 * workers }, (_, at) => request(at));
    // The connections go round the workers: each of the last two rounds has one of every worker.
    for (let at = 4 * workers; at < 5 * workers; at += 1) {
      await until(async () => (await post(at, '/oauth2/ciba', { scope: 'openid accounts' })).status === 503);
      expect((await post(at + workers, '/oauth2/introspect', { token: 'unknown' })).status).toBe(200);
    }
    engine.process.kill('SIGCONT');
    expect((await Promise.all(begun)).map(({ status }) => status)).toEqual(begun.map(() => 200));
    for (const { close } of connections) await close();
  },
  60_000,
);

test('an engine none of whose workers listens is not ready', async () => {
  const port = await freePort();
  const engine = await startEngine(2, await environmentWith({}, { COUNTERSIGN_OPERATOR_PORT: String(port) }));
  const ready = async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).json() as Promise<{ ready: boolean; checks: object }>;
  expect(await ready()).toMatchObject({ ready: true });
  for (const worker of engine.workers()) process.kill(worker, 'SIGKILL');
  const seen: object[] = [];
  await until(async () => {
    const { ready: isReady, checks } = await ready();
    if (!isReady) seen.push(checks);
    return isReady && seen.length > 0;
  });
  expect(seen[0]).toEqual({ listeners: { ok: false } });
}, 60_000);

describe('the metrics of workers', () => {
  test('are one page, at the process that started them', async () => {
    const port = await freePort();
    const engine = await startEngine(2, await environmentWith({}, { COUNTERSIGN_OPERATOR_PORT: String(port) }));
    const connections = await engine.connections(4);
    for (const { fetch } of connections) await fetch(`${engine.issuer}/oauth2/jwks`);
    const answered = 'countersign_requests_total{method="GET",route="/oauth2/jwks",status="2xx",error=""}';
    const page = async () => metricsIn(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
    const before = (await page()).get(answered) ?? 0;
    const deadline = Date.now() + 20_000;
    while (((await page()).get(answered) ?? 0) < 4 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 100));
    const seen = await page();
    expect(seen.get(answered)).toBeGreaterThanOrEqual(Math.max(4, before));
    expect(seen.get('countersign_ready')).toBe(1);
    expect(seen.get('countersign_append_seconds_count')).toBeGreaterThan(0);

    const [killed = 0] = engine.workers();
    process.kill(killed, 'SIGKILL');
    while (engine.workers().includes(killed)) await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await page()).get(answered)).toBeGreaterThanOrEqual(4);
    for (const { close } of connections) await close().catch(() => undefined);
  }, 60_000);

  test('keep the counts of a worker that is gone, and nothing else of it', async () => {
    const pages = pagesOfWorkers();
    const page = (count: number, waiting: number): Page =>
      [
        { name: 'counted', help: 'c', type: 'counter', aggregator: 'sum', values: [{ labels: { a: 'b' }, value: count }] },
        { name: 'waiting', help: 'w', type: 'gauge', aggregator: 'sum', values: [{ labels: {}, value: waiting }] },
      ] as unknown as Page;
    const numbers = async () => {
      const seen = metricsIn(await pages.with(page(1, 1)));
      return [seen.get('counted{a="b"}'), seen.get('waiting')];
    };
    pages.take(1, page(10, 3));
    pages.take(2, page(100, 5));
    expect(await numbers()).toEqual([111, 9]);
    pages.bury(1);
    expect(await Promise.all([numbers(), numbers()])).toEqual([
      [111, 6],
      [111, 6],
    ]);
    pages.bury(2);
    // One that ended before it had told anything.
    pages.bury(3);
    pages.take(4, page(1000, 7));
    expect(await numbers()).toEqual([1111, 8]);
    pages.bury(4);
    expect(await numbers()).toEqual([1111, 1]);
  });

  test('tell everybody who asks how late the event loop was', async () => {
    const metrics = makeMetrics();
    open.push(metrics);
    const latest = async () => metricsIn((await metrics.render()).text).get('countersign_event_loop_delay_seconds{quantile="1"}') ?? 0;
    // The first timer begins the measure.
    while ((await latest()) === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const end = performance.now() + 300;
    while (performance.now() < end);
    while ((await latest()) < 0.2) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await latest()).toBeGreaterThan(0.2);
    expect(await latest()).toBeGreaterThan(0.2);
  });

  test('have buckets that add up', async () => {
    const [owner, worker] = [makeMetrics(), makeMetrics()];
    open.push(owner, worker);
    const route = { method: 'POST' as const, path: '/oauth2/token', handle: async () => ({ status: 200, headers: {}, body: '' }) };
    for (const { answered } of [owner, worker])
      answered(route, {} as never, { status: 200, headers: {}, body: '' }, { ms: 3, waited: false });
    const told = Promise.withResolvers<void>();
    worker.tell(async (page) => {
      owner.take(1, JSON.parse(JSON.stringify(page)));
      told.resolve();
    });
    await told.promise;
    const seen = metricsIn((await owner.render()).text);
    const labels = 'method="POST",route="/oauth2/token"';
    expect(seen.get(`countersign_request_seconds_bucket{${labels},le="0.0025"}`)).toBe(0);
    expect(seen.get(`countersign_request_seconds_bucket{${labels},le="0.005"}`)).toBe(2);
    expect(seen.get(`countersign_request_seconds_count{${labels}}`)).toBe(2);
  });
});
