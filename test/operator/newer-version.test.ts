import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, describe, expect, test } from '@jest/globals';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { loadConfig } from '../../src/config.ts';
import { trustingFetch } from '../../src/demo/trusting-fetch.ts';
import { UnreadableEvent } from '../../src/domain/events.ts';
import type { EventStore } from '../../src/domain/ports/event-store.ts';
import { logger } from '../../src/serve/logger.ts';
import { type Serving, serve } from '../../src/serve.ts';
import { nodesOwn } from '../support/engine.ts';
import { newEvent } from '../support/new-events.ts';
import { freePort } from '../support/ports.ts';
import { freshEnvironment } from '../support/served.ts';

const running: Serving[] = [];
afterEach(async () => {
  for (const serving of running.splice(0)) await serving.close();
});

/** A node over a log, with what it writes to its own. */
const node = async (store: EventStore) => {
  const port = await freePort();
  const { config } = loadConfig({ env: await freshEnvironment({ COUNTERSIGN_OPERATOR_PORT: String(port) }), cwd: tmpdir() });
  const lines: string[] = [];
  const log = logger(config, { write: (line: string) => void lines.push(line) });
  let left = false;
  const leaveDuty = () => {
    left = true;
  };
  const serving = await serve(config, { say: () => undefined, log, instead: { store: nodesOwn(store), leaveDuty } });
  running.push(serving);
  const fetch = trustingFetch(readFileSync(serving.caFile ?? '', 'utf8'));
  const ready = async (url: string) => {
    const response = await fetch(`${url}/readyz`);
    return { status: response.status, body: await response.json() };
  };
  return { serving, lines, issuer: config.issuer, operator: `http://127.0.0.1:${port}`, fetch, ready, hasLeft: () => left };
};

// What a version that is yet to come might record, of which this one knows a part.
const newer = newEvent({ type: 'ClientDisabled', version: 7, data: JSON.stringify({ at: 1, mood: 'sunny' }) });

describe('a node that meets an event of a newer version', () => {
  test('reads on where the event says that it may', async () => {
    const log = inMemoryEventStore();
    const { serving, issuer, ready } = await node(log);
    const { position } = await log.append('client-nobody', [{ ...newer, compatibleFrom: 1 }], -1);
    await serving.engine.readModels.reached(position);
    expect(await ready(issuer)).toMatchObject({ status: 200 });
  });

  test('otherwise stops, says which, answers nothing and stays out of the load balancer, and lives', async () => {
    const log = inMemoryEventStore();
    const { serving, lines, issuer, operator, fetch, ready, hasLeft } = await node(log);
    let failed = false;
    serving.failed.catch(() => {
      failed = true;
    });
    const { position } = await log.append('client-nobody', [newer], -1);
    await expect(serving.engine.readModels.reached(position)).rejects.toThrow('the projections stopped');
    const why = { ok: false, fault: 'an event that this version cannot read', type: 'ClientDisabled', version: 7, position };
    for (const url of [issuer, operator]) {
      expect(await ready(url)).toMatchObject({ status: 503, body: { ready: false, checks: { projections: why } } });
      expect((await fetch(`${url}/livez`)).status).toBe(200);
    }
    for (const path of ['/oauth2/token', '/oauth2/introspect', '/oauth2/ciba', '/oauth2/revoke']) {
      const response = await fetch(issuer + path, { method: 'POST' });
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    }
    const told = lines.map((line) => JSON.parse(line)).filter(({ level }) => level >= 50);
    expect(told).toEqual([
      expect.objectContaining({
        ...{ level: 60, type: 'ClientDisabled', version: 7, position },
        msg: expect.stringContaining(`event ${position} (ClientDisabled version 7 in client-nobody) cannot be read`),
      }),
    ]);
    expect([failed, hasLeft()]).toEqual([false, true]);
  });

  test('at its start does not start, and says which', async () => {
    const log = inMemoryEventStore();
    await log.append('client-nobody', [newer], -1);
    await expect(node(log)).rejects.toThrow(UnreadableEvent);
    await expect(node(log)).rejects.toThrow('event 1 (ClientDisabled version 7 in client-nobody) cannot be read by this version');
  });
});
