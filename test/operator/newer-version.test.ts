import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { trustingFetch } from '../../src/demo/trusting-fetch.ts';
import { client } from '../../src/domain/client/decider.ts';
import { UnreadableEvent } from '../../src/domain/events.ts';
import type { Ports } from '../../src/engine.ts';
import { logger } from '../../src/serve/logger.ts';
import { type Serving, serve } from '../../src/serve.ts';
import { nodesOwn } from '../support/engine.ts';
import { newEvent } from '../support/new-events.ts';
import { type Connection, connection, until } from '../workers/support.ts';
import { operatorOf, watchedConfig } from './support.ts';

const running: Serving[] = [];
afterEach(async () => {
  for (const serving of running.splice(0)) await serving.close();
});

/** A node, with what it writes to its own log. */
const node = async (instead: Partial<Ports>, settings: Record<string, string> = {}) => {
  const config = await watchedConfig(settings);
  const lines: string[] = [];
  const log = logger(config, { write: (line: string) => void lines.push(line) });
  let left = false;
  const leaveDuty = () => {
    left = true;
  };
  const serving = await serve(config, { say: () => undefined, log, instead: { leaveDuty, ...instead } });
  running.push(serving);
  const ca = readFileSync(serving.caFile ?? '', 'utf8');
  const fetch = trustingFetch(ca);
  const ready = async (url: string) => {
    const response = await fetch(`${url}/readyz`);
    return { status: response.status, body: await response.json() };
  };
  return { serving, lines, issuer: config.issuer, operator: operatorOf(config), ca, fetch, ready, hasLeft: () => left };
};

// What a version that is yet to come might record, of which this one knows a part.
const newer = newEvent({ type: 'ClientDisabled', version: 7, data: JSON.stringify({ at: 1, mood: 'sunny' }) });

/** Records it as a program of that version does. */
const recordNewer = async ({ decide }: Serving['engine']): Promise<number> => {
  const decider = { ...client, events: { ...client.events, encode: () => ({ ...newer, personal: null }) } };
  const command = { id: systemIds.uuid(), actor: newer.actor, correlationId: 'nobody', causationId: null };
  const { position } = await decide(decider, 'nobody', () => [{ type: 'ClientDisabled' as const, data: { at: 1 } }], command);
  return position;
};

const CALLS = ['/oauth2/token', '/oauth2/introspect', '/oauth2/ciba', '/oauth2/revoke'];
const why = (position: number) => {
  const { type, version } = newer;
  return { ok: false, fault: 'an event that this version cannot read', type, version, position };
};
const fatal = (position: number) =>
  expect.objectContaining({
    ...{ level: 60, type: newer.type, version: newer.version, position },
    msg: expect.stringContaining(`event ${position} (ClientDisabled version 7 in client-nobody) cannot be read`),
  });

describe('a node that meets an event of a newer version', () => {
  test('reads on where the event says that it may', async () => {
    const log = inMemoryEventStore();
    const { serving, issuer, ready } = await node({ store: nodesOwn(log) });
    const { position } = await log.append('client-nobody', [{ ...newer, compatibleFrom: 1 }], -1);
    await serving.engine.readModels.reached(position);
    expect(await ready(issuer)).toMatchObject({ status: 200 });
  });

  test('otherwise stops, says which, answers nothing and stays out of the load balancer, and lives', async () => {
    const log = inMemoryEventStore();
    const { serving, lines, issuer, operator, fetch, ready, hasLeft } = await node({ store: nodesOwn(log) });
    let failed = false;
    serving.failed.catch(() => {
      failed = true;
    });
    const { position } = await log.append('client-nobody', [newer], -1);
    await expect(serving.engine.readModels.reached(position)).rejects.toThrow('the projections stopped');
    for (const url of [issuer, operator]) {
      expect(await ready(url)).toMatchObject({ status: 503, body: { ready: false, checks: { projections: why(position) } } });
      expect((await fetch(`${url}/livez`)).status).toBe(200);
    }
    for (const path of CALLS) {
      const response = await fetch(issuer + path, { method: 'POST' });
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    }
    const told = lines.map((line) => JSON.parse(line)).filter(({ level }) => level >= 50);
    expect(told).toEqual([fatal(position)]);
    expect([failed, hasLeft()]).toEqual([false, true]);
  });

  test('does the same with its workers, also with those that begin then', async () => {
    const { serving, lines, issuer, operator, ca, ready } = await node({}, { COUNTERSIGN_SERVER_WORKERS: '2' });
    let failed = false;
    serving.failed.catch(() => {
      failed = true;
    });
    const faults = () => lines.map((line) => JSON.parse(line)).filter(({ level }) => level >= 50);
    const workers = () => Object.values(cluster.workers ?? {}).map((worker) => worker?.process.pid ?? 0);
    // They go round the workers.
    const connected = () => [1, 2, 3, 4].map(() => connection(issuer, ca));
    const before = connected();
    for (const { fetch } of before) expect((await fetch(`${issuer}/readyz`)).status).toBe(200);
    const position = await recordNewer(serving.engine);
    await expect(serving.engine.readModels.reached(position)).rejects.toThrow('the projections stopped');
    const seen = async ({ fetch }: Pick<Connection, 'fetch'>) => {
      const response = await fetch(`${issuer}/readyz`);
      return { status: response.status, body: await response.json() };
    };
    const stopped = { status: 503, body: { ready: false, checks: { projections: why(position) } } };
    /** Each of the connections leads to a worker that answers nothing but how it is. */
    const areOut = async (connections: readonly Connection[]) => {
      for (const one of connections) {
        await until(async () => (await seen(one)).status === 503);
        expect(await seen(one)).toMatchObject(stopped);
        expect((await one.fetch(`${issuer}/livez`)).status).toBe(200);
        for (const path of CALLS) expect((await one.fetch(issuer + path, { method: 'POST' })).status).toBe(503);
      }
    };
    await areOut(before);
    expect(await ready(operator)).toMatchObject(stopped);
    expect(faults()).toEqual([fatal(position)]);

    const first = workers();
    expect(first).toHaveLength(2);
    for (const pid of first) process.kill(pid, 'SIGKILL');
    for (const { close } of before) await close();
    await until(() => workers().length === 2 && workers().every((pid) => !first.includes(pid)));
    const after = connected();
    await until(async () => (await seen(after[0] as Connection).catch(() => null)) !== null);
    await areOut(after);
    for (const { close } of after) await close();
    expect([failed, faults().map(({ what }) => what)]).toEqual([false, [undefined, 'worker', 'worker']]);
  }, 60_000);

  test('at its start does not start, and says which', async () => {
    const log = inMemoryEventStore();
    await log.append('client-nobody', [newer], -1);
    await expect(node({ store: nodesOwn(log) })).rejects.toThrow(UnreadableEvent);
    await expect(node({ store: nodesOwn(log) })).rejects.toThrow(
      'event 1 (ClientDisabled version 7 in client-nobody) cannot be read by this version',
    );
  });
});
