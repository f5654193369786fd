import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Subject, switchMap } from 'rxjs';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { sqliteEventReader } from '../../src/adapters/event-store/sqlite.ts';
import type { Config } from '../../src/config.ts';
import { playCeremony } from '../../src/demo/ceremony.ts';
import type { Fetch } from '../../src/demo/phone.ts';
import { trustingFetch } from '../../src/demo/trusting-fetch.ts';
import { logger } from '../../src/serve/logger.ts';
import { type Serving, serve } from '../../src/serve.ts';
import { metricsIn } from '../support/metrics.ts';
import { operatorOf, watchedConfig } from './support.ts';

// The names of what nobody else may see, in bodies, forms and JWTs.
const SECRET =
  /^(auth_req_id|access_token|refresh_token|id_token|code|client_secret|password|challenge|nonce|answer|registration|push_token|login_hint|username|name|account_ids?|display_name|binding_message|authorization)$/;

const lines: string[] = [];
const secrets = new Set<string>();
let config: Config;
let serving: Serving;
let metrics: ReadonlyMap<string, number>;
let page: string;

const keep = (value: unknown, name = ''): void => {
  if (typeof value === 'string' && SECRET.test(name.toLowerCase()) && value.length > 3) secrets.add(value);
  else if (typeof value === 'object' && value !== null)
    for (const [key, inner] of Object.entries(value)) keep(inner, Array.isArray(value) ? name : key);
};
const keepText = (text: string): void => {
  try {
    keep(JSON.parse(text));
  } catch {
    keep(Object.fromEntries(new URLSearchParams(text)));
  }
};

/** Notes everything secret that goes over the wire. */
const watching =
  (fetch: Fetch): Fetch =>
  async (url, init) => {
    keep(Object.fromEntries(new Headers(init?.headers as Record<string, string>)));
    if (init?.body) keepText(String(init.body));
    const response = await fetch(url, init);
    keepText(await response.clone().text());
    return response;
  };

const operator = async (path: string) => fetch(operatorOf(config) + path);

beforeAll(async () => {
  config = await watchedConfig({ COUNTERSIGN_LOG_LEVEL: 'trace' });
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  serving = await serve(config, { say: () => undefined, log: logger(config, sink) });
  const { client, psus } = JSON.parse(readFileSync(join(config.dataDir, 'sandbox/sandbox.json'), 'utf8'));
  keep({ client_secret: client.clientSecret });
  for (const { username, password } of psus) keep({ username, password });
  const log = sqliteEventReader(join(config.dataDir, 'log.sqlite'));
  const fetch = watching(trustingFetch(readFileSync(serving.caFile ?? '', 'utf8')));
  await playCeremony({ issuer: config.issuer, fetch, sandbox: { client, psus }, log, print: () => undefined });
  const post = (path: string, form: Record<string, string>, by: string) =>
    fetch(config.issuer + path, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(by)}`, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(form).toString(),
    });
  const tpp = `${client.clientId}:${client.clientSecret}`;
  const asked = await post('/oauth2/ciba', { scope: 'openid accounts', login_hint: 'bob' }, tpp);
  const { auth_req_id } = (await asked.json()) as { auth_req_id: string };
  const grant_type = 'urn:openid:params:grant-type:ciba';
  await post('/oauth2/token', { grant_type, auth_req_id }, tpp);
  await post('/oauth2/token', { grant_type, auth_req_id }, tpp);
  await post('/oauth2/token', { grant_type, auth_req_id }, 'nobody:nothing');
  await fetch(`${config.issuer}/approver/v1/requests/a-request-of-nobody`);
  await fetch(`${config.issuer}/a/path/of/a/scanner`);
  await log.close();
  page = await (await operator('/metrics')).text();
  metrics = metricsIn(page);
});
afterAll(() => serving.close());

describe('the listener of operators', () => {
  test('says how the node is', async () => {
    expect((await operator('/livez')).status).toBe(200);
    expect(await (await operator('/readyz')).json()).toMatchObject({ ready: true });
    expect((await operator('/metrics')).headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  });

  test('serves nothing else, and the others serve no metrics', async () => {
    expect((await operator('/oauth2/jwks')).status).toBe(404);
    const fetch = trustingFetch(readFileSync(serving.caFile ?? '', 'utf8'));
    expect((await fetch(`${config.issuer}/metrics`)).status).toBe(404);
    expect((await fetch(`${config.issuer}/readyz`)).status).toBe(200);
  });
});

test('a node that is still building its read models lives, and is not ready', async () => {
  const own = await watchedConfig();
  const log = inMemoryEventStore();
  const go = new Subject<void>();
  const store = { ...log, follow: (after: number) => go.pipe(switchMap(() => log.follow(after))) };
  const starting = serve(own, { say: () => undefined, log: logger(own, { write: () => undefined }), instead: { store } });
  const asked = async (path: string) => {
    for (;;)
      try {
        return await fetch(operatorOf(own) + path);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
  };
  expect((await asked('/livez')).status).toBe(200);
  const response = await asked('/readyz');
  expect([response.status, await response.json()]).toEqual([503, { ready: false, checks: { started: { ok: false } } }]);
  while (!go.observed) await new Promise((resolve) => setTimeout(resolve, 10));
  go.next();
  const started = await starting;
  expect((await asked('/readyz')).status).toBe(200);
  await started.close();
}, 30_000);

test('a node that nobody can reach yet is not ready', async () => {
  const own = await watchedConfig();
  const log = inMemoryEventStore();
  const [asked, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  // The client of the sandbox is registered before anything listens.
  const append: typeof log.append = async (stream, events, expectedRevision) => {
    if (events[0]?.type === 'ClientRegistered') {
      asked.resolve();
      await go.promise;
    }
    return log.append(stream, events, expectedRevision);
  };
  const store = { ...log, append };
  const starting = serve(own, { say: () => undefined, log: logger(own, { write: () => undefined }), instead: { store } });
  await asked.promise;
  const ready = async () => (await fetch(`${operatorOf(own)}/readyz`)).json();
  expect(await ready()).toEqual({ ready: false, checks: { listeners: { ok: false } } });
  go.resolve();
  const started = await starting;
  expect(await ready()).toMatchObject({ ready: true });
  await started.close();
}, 30_000);

describe('after a ceremony, the metrics', () => {
  const value = (line: string) => metrics.get(line);
  const sum = (start: string) => [...metrics].reduce((all, [line, one]) => (line.startsWith(start) ? all + one : all), 0);

  test('count answers by route and outcome', () => {
    expect(value('countersign_requests_total{method="POST",route="/oauth2/ciba",status="2xx",error=""}')).toBe(2);
    expect(value('countersign_requests_total{method="POST",route="/oauth2/token",status="4xx",error="authorization_pending"}')).toBe(1);
    expect(value('countersign_requests_total{method="POST",route="/oauth2/token",status="4xx",error="slow_down"}')).toBe(1);
    expect(value('countersign_limited_total{limit="polled too soon"}')).toBe(1);
    expect(value('countersign_requests_total{method="POST",route="/oauth2/token",status="4xx",error="invalid_client"}')).toBe(1);
    expect(value('countersign_requests_total{method="GET",route="(nothing)",status="4xx",error="not_found"}')).toBe(1);
    const unknown = sum('countersign_requests_total{method="GET",route="/approver/v1/requests/{request_id}",status="4xx"');
    expect(unknown).toBe(1);
    expect(value('countersign_request_seconds_count{method="POST",route="/oauth2/ciba"}')).toBe(2);
    expect(value('countersign_request_seconds_bucket{method="POST",route="/oauth2/ciba",le="+Inf"}')).toBe(2);
  });

  test('count appends, commits and events', () => {
    const appended = value('countersign_append_seconds_count');
    expect(appended).toBeGreaterThan(5);
    expect(value('countersign_commit_seconds_count')).toBeGreaterThan(5);
    expect(value('countersign_commit_appends_sum')).toBe(appended);
    expect(value('countersign_events_total{type="CibaRequestApproved"}')).toBe(1);
    expect(value('countersign_appends_refused_total{reason="conflict"}')).toBe(0);
    expect(value('countersign_store_pressure')).toBe(0);
  });

  test('follow a request from its push to its answer', () => {
    const stages = ['received', 'pushed', 'retrieved', 'answered'].map((stage) => value(`countersign_funnel_total{stage="${stage}"}`));
    expect(stages).toEqual([2, 1, 1, 1]);
    expect(value('countersign_time_to_answer_seconds_count')).toBe(1);
    expect(value('countersign_pushes_total{outcome="accepted"}')).toBe(1);
  });

  test('say how the read models, the outbox and the process are', () => {
    expect(value('countersign_projections_lag_positions')).toBe(0);
    expect(value('countersign_projections_lag_seconds')).toBe(0);
    expect(value('countersign_projections_position')).toBeGreaterThan(5);
    expect(value('countersign_outbox_attempts_total{reaction="push-to-device",outcome="done"}')).toBeGreaterThan(0);
    expect(value('countersign_outbox_due{reaction="ping-client"}')).toBe(0);
    expect(value('countersign_ready')).toBe(1);
    expect(value('countersign_event_loop_delay_seconds{quantile="0.99"}')).toBeGreaterThanOrEqual(0);
    expect(value('process_resident_memory_bytes')).toBeGreaterThan(10_000_000);
  });

  test('have a type and a help each, and no label with more values than there are routes', () => {
    const names = new Set([...page.matchAll(/^# TYPE (\S+) (counter|gauge|histogram)$/gm)].map(([, name]) => name));
    expect(new Set([...page.matchAll(/^# HELP (\S+) .+\.$/gm)].map(([, name]) => name))).toEqual(names);
    const templates = new Set(['(nothing)', ...serving.engine.routes.map(({ path }) => path)]);
    const routes = [...page.matchAll(/route="([^"]*)"/g)].map(([, route = '']) => route);
    expect(routes.filter((route) => !templates.has(route))).toEqual([]);
  });
});

describe('after a ceremony, nothing secret', () => {
  test('was missed by this test', () => {
    expect(secrets.size).toBeGreaterThan(15);
    expect(lines.length).toBeGreaterThan(5);
  });

  test('stands in a line of the log', () => {
    const text = lines.join('');
    expect([...secrets].filter((secret) => text.includes(secret))).toEqual([]);
  });

  test('stands in a metric', () => expect([...secrets].filter((secret) => page.includes(secret))).toEqual([]));

  test('can be put into a line by whoever logs', () => {
    const written: string[] = [];
    const log = logger(config, { write: (line: string) => void written.push(line) });
    log.info({ auth_req_id: 'secret', headers: { authorization: 'secret' }, what: 'x' }, 'a line');
    expect(JSON.parse(written[0] ?? '')).toEqual({ level: 30, time: expect.any(Number), what: 'x', msg: 'a line' });
  });

  test('is needed to know what was answered', () => {
    const answered = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'answered');
    const { client } = JSON.parse(readFileSync(join(config.dataDir, 'sandbox/sandbox.json'), 'utf8'));
    expect(answered).toContainEqual({
      ...{ level: 20, time: expect.any(Number), msg: 'answered', ms: expect.any(Number) },
      ...{ method: 'POST', route: '/oauth2/ciba', status: 200, client_id: client.clientId },
    });
    expect(answered).toContainEqual(expect.objectContaining({ route: '/oauth2/token', status: 401, error: 'invalid_client' }));
    expect(answered.filter(({ error, client_id }) => error === 'invalid_client' && client_id !== undefined)).toEqual([]);
  });
});
