import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock, systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { csvJson, csvRecord } from '../../src/api/audit/csv.ts';
import { csvRecords } from '../../src/cli/csv.ts';
import type { EventStore } from '../../src/domain/ports/event-store.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { steps } from '../support/steps.ts';
import { auditor, type Fact, readsIn } from './support.ts';

const CONSENTS = 3000;
const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
let tested: TestEngine;
let store: EventStore;
let alice: Awaited<ReturnType<typeof auditor>>;
/** How much of the log was read for exports. */
let pages = 0;

beforeAll(async () => {
  const log = inMemoryEventStore();
  const world = steps({ store: log, sealer, clock: systemClock, ids: systemIds });
  for (let n = 0; n < CONSENTS; n += 1) await world.lodgeJoint(`consent-${n}`, 'tpp', [`psu-${n % 7}`, `other-${n % 5}`]);
  store = {
    ...log,
    readAll(after, limit) {
      pages += 1;
      return log.readAll(after, limit);
    },
  };
  tested = await testEngine({ store, sealer });
  alice = await auditor(tested);
});
afterAll(() => tested.close());

const linesOf = (text: string) => text.trimEnd().split('\n');

describe('an export', () => {
  test('holds every fact of its range, as JSON lines', async () => {
    const log = await tested.log();
    const response = await alice.get('/export');
    expect(response.headers.get('content-type')).toBe('application/jsonl');
    const facts = linesOf(await response.text()).map((line) => JSON.parse(line) as Fact);
    expect(facts.map(({ position }) => position)).toEqual(log.map(({ position }) => position));
    const part = linesOf(await (await alice.get('/export?from=10&to=30')).text()).map((line) => JSON.parse(line) as Fact);
    expect(part).toEqual(facts.slice(10, 30));
    expect(await (await alice.get('/export?from=10&to=10')).text()).toBe('');
  });

  test('is recorded before it begins, and holds nothing that came after', async () => {
    const head = await store.head();
    const text = await (await alice.get('/export?purpose=yearly')).text();
    expect(linesOf(text)).toHaveLength(head);
    expect(readsIn(await store.readAll(head, 10))).toEqual([expect.objectContaining({ purpose: 'yearly', what: '/export' })]);
  });

  test('is CSV with the same facts', async () => {
    const response = await alice.get('/export?format=csv&from=10&to=60');
    expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    const [header, ...records] = [...csvRecords(await response.text())].map(({ fields }) => fields);
    const facts = linesOf(await (await alice.get('/export?from=10&to=60')).text()).map((line) => JSON.parse(line) as Fact);
    const column = (name: string) => records.map((fields) => fields[header?.indexOf(name) ?? -1]);
    expect(column('position')).toEqual(facts.map(({ position }) => String(position)));
    expect(column('data').map((text) => JSON.parse(text ?? ''))).toEqual(facts.map(({ data }) => data));
    expect(column('personal').map((text) => (text === '' ? null : JSON.parse(text ?? '')))).toEqual(facts.map(({ personal }) => personal));
  });

  test('answers HEAD without reading', async () => {
    pages = 0;
    const response = await fetch(`${tested.url}/audit/v1/export`, { method: 'HEAD', headers: alice.headers });
    expect([response.status, await response.text()]).toEqual([200, '']);
    expect(pages).toBeLessThan(5);
  });

  test('waits for a caller that reads slowly, and ends with one that goes away', async () => {
    const whole = (await (await alice.get('/export')).text()).length;
    const { hostname, port } = new URL(tested.url);
    const socket = connect(Number(port), hostname);
    socket.pause();
    await once(socket, 'connect');
    pages = 0;
    const headers = Object.entries(alice.headers).map(([name, value]) => `${name}: ${value}\r\n`);
    // Many in one connection: what the system takes without anybody reading is less than all of them.
    const times = Math.ceil((24 * 1024 * 1024) / whole);
    socket.write(`GET /audit/v1/export HTTP/1.1\r\nhost: x\r\n${headers.join('')}\r\n`.repeat(times));
    const all = (times * (await store.head())) / 100;
    let before = -1;
    // It stands still, with most of it unread.
    while (pages > before || pages === 0) {
      before = pages;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    expect(pages).toBeLessThan(all / 2);
    socket.destroy();
    // The connection that is gone frees what was begun: the engine can stop, and answers others.
    expect((await alice.get('/export?from=0&to=1')).status).toBe(200);
    expect(pages).toBeLessThan(all / 2);
    expect(tested.faults).toEqual([]);
  });

  test('that cannot be finished breaks off, and is a fault', async () => {
    const { readAll } = store;
    const failing = tested.ports.store as { readAll: EventStore['readAll'] };
    failing.readAll = async (after, limit) => {
      if (after === 200 && limit === 100) throw new Error('a page is unreadable');
      return readAll(after, limit);
    };
    const response = await alice.get('/export');
    await expect(response.text()).rejects.toThrow();
    failing.readAll = readAll;
    expect(tested.faults.length).toBeGreaterThan(0);
    (tested.faults as unknown[]).length = 0;
  });
});

describe('a cell of CSV', () => {
  test('is no formula, whatever it holds', () => {
    for (const begin of ['=', '+', '-', '@', '\t', '\r', '\n']) {
      const text = `${begin}cmd|' /C calc'!A0`;
      const [{ fields } = { fields: [] }] = [...csvRecords(csvRecord([text, 'plain']))];
      expect(fields).toEqual([`'${text}`, 'plain']);
    }
  });

  test('is none either where cells are separated by semicolons, and lines end wherever a line breaks', () => {
    const texts = ['a;=cmd', 'a; "@cmd', 'a;b\n+cmd', 'a\r\n\t-cmd', 'a,;=cmd'];
    const cells = csvRecord([...texts, csvJson({ said: 'x;=cmd', ';-key': '\n=cmd' })]).split(/[;\r\n]/);
    expect(cells.filter((cell) => /^["\s]*[=+\-@]/.test(cell))).toEqual([]);
    expect(JSON.parse(csvJson({ ';': 'x;=1' }))).toEqual({ ';': 'x;=1' });
    expect(csvRecord(['a; b', 'a;b'])).toBe('a; b,a;b\r\n');
  });

  test('holds quotes, commas and line breaks as they are', () => {
    const texts = ['a "quoted" one', 'a, b', 'two\nlines', 'two\r\nlines', '', 'ä', "'already"];
    expect([...csvRecords(csvRecord(texts))].map(({ fields }) => fields)).toEqual([texts]);
    expect(csvRecord([null, 7])).toBe(',7\r\n');
  });
});
