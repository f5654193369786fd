import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from '@jest/globals';
import { Observable } from 'rxjs';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { ArchiveMissing, archiveFileOf } from '../../src/adapters/event-store/sqlite-archive.ts';
import { masterKey } from '../../src/adapters/keys/master-key.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { LogInUse } from '../../src/adapters/sqlite-file.ts';
import { archive } from '../../src/cli/archive.ts';
import { allCommitted, rebuild } from '../../src/cli/rebuild.ts';
import { loadConfig } from '../../src/config.ts';
import type { Page } from '../../src/domain/ports/event-store.ts';
import type { Rows } from '../../src/domain/ports/rows.ts';
import { projectionsOver } from '../../src/projections/all.ts';
import { ProjectionStopped, runProjections } from '../../src/projections/runner.ts';
import { keepArchiving } from '../../src/serve/archiving.ts';
import { writeHistory } from '../support/history.ts';
import { newEvent, newEvents } from '../support/new-events.ts';
import { freePort } from '../support/ports.ts';
import { freshEnvironment, served, temporaryFolder } from '../support/served.ts';

const DAY_MS = 86_400_000;
const CLI = join(import.meta.dirname, '../../src/cli.ts');

const configOf = async (more: Record<string, string> = {}) => {
  const env = await freshEnvironment(more);
  const { config } = loadConfig({ env, cwd: temporaryFolder() });
  return { env, config, file: join(config.dataDir, 'log.sqlite') };
};
const eventsIn = (file: string): number => {
  const db = new DatabaseSync(file, { readOnly: true });
  const { events } = db.prepare('select count(*) as events from event').get() as { events: number };
  db.close();
  return events;
};

describe('countersign archive', () => {
  test('moves what is over and gives the room back, and history shows what it showed', async () => {
    const { env, config, file } = await configOf();
    const store = sqliteEventStore(file, { now: () => Date.now() - 500 * DAY_MS });
    for (let n = 0; n < 200; n += 1) {
      const [correlationId, data] = ['consent-1', JSON.stringify({ padding: 'p'.repeat(2000) })];
      await store.append(n === 0 ? 'consent-consent-1' : `cibaRequest-${n}`, [newEvent({ correlationId, data })], -1);
    }
    await store.close();
    const countersign = (...args: string[]) =>
      spawnSync(process.execPath, [CLI, ...args], { env: { ...process.env, ...env }, encoding: 'utf8', cwd: config.dataDir });
    const before = countersign('history', 'consent-1', '--json').stdout;
    expect(before.trim().split('\n')).toHaveLength(200);

    const { status, stdout, stderr } = countersign('archive', '--compact');
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^the log has 0\.\d MB, its archive 0\.\d MB$/m);
    expect([eventsIn(file), eventsIn(archiveFileOf(file))]).toEqual([1, 199]);
    expect(countersign('history', 'consent-1', '--json').stdout).toBe(before);
  });

  test('is refused while an engine runs', async () => {
    const { config, file } = await configOf();
    const running = sqliteEventStore(file);
    await expect(archive(config, { compact: false }, () => undefined)).rejects.toThrow(LogInUse);
    await running.close();
  });

  test('lets others have their turn between two steps', async () => {
    const { config, file } = await configOf();
    const store = sqliteEventStore(file, { now: () => 1000 });
    for (let n = 0; n < 100; n += 1) await store.append(`cibaRequest-${n}`, newEvents(1), -1);
    await store.close();
    const archiving = archive(config, { compact: false }, () => undefined);
    expect(eventsIn(archiveFileOf(file))).toBeLessThan(100);
    await archiving;
    expect(eventsIn(archiveFileOf(file))).toBe(100);
  });

  test('says in one line that the archive of the log is not there', async () => {
    const { env, config, file } = await configOf();
    const store = sqliteEventStore(file, { now: () => 1000 });
    await store.append('cibaRequest-1', newEvents(1), -1);
    await store.close();
    await archive(config, { compact: false }, () => undefined);
    rmSync(dirname(archiveFileOf(file)), { recursive: true });
    const { status, stderr } = spawnSync(process.execPath, [CLI, 'serve'], { env: { ...process.env, ...env }, encoding: 'utf8' });
    expect([status, stderr]).toEqual([1, `countersign: ${new ArchiveMissing(archiveFileOf(file)).message}\n`]);
  });

  test('moves nothing of what is not over', async () => {
    const { config, file } = await configOf();
    const store = sqliteEventStore(file);
    await store.append('cibaRequest-1', newEvents(1), -1);
    await store.close();
    await archive(config, { compact: false }, () => undefined);
    expect(eventsIn(file)).toBe(1);
  });
});

describe('an engine', () => {
  test('archives by itself what is over, a little at a time, while others append', async () => {
    const file = join(temporaryFolder(), 'log.sqlite');
    let at = 1000;
    const store = sqliteEventStore(file, { now: () => at * 1000 });
    for (let n = 0; n < 300; n += 1) await store.append(`push-${n}`, newEvents(1), -1);
    at += 20 * 86_400;
    const faults: unknown[] = [];
    const archiving = keepArchiving(store, {
      ...{ requestDays: 10, deliveryDays: 10, grantDays: 10, clock: () => at },
      onFault: (_what, error) => faults.push(error),
      pause: { restMs: 1, lookMs: 1 },
    });
    for (let n = 0; eventsIn(archiveFileOf(file)) < 300; n += 1) await store.append(`consent-${n}`, newEvents(1), -1);
    archiving.close();
    expect(faults).toEqual([]);
    expect(await store.read('push-7')).toHaveLength(1);
    await store.close();
  });

  test('rests after each step for nineteen times as long as it took', async () => {
    const steps: { began: number; ended: number }[] = [];
    const { promise: stepped, resolve } = Promise.withResolvers<void>();
    const archiveSome = () => {
      const began = performance.now();
      while (performance.now() < began + 3);
      steps.push({ began, ended: performance.now() });
      if (steps.length === 4) resolve();
      return true;
    };
    const archiving = keepArchiving(
      { archiveSome },
      {
        ...{ requestDays: 1, deliveryDays: 1, grantDays: 1, clock: () => 0, onFault: () => undefined },
        pause: { restMs: 1, lookMs: 1 },
      },
    );
    await stepped;
    archiving.close();
    for (const [index, { began, ended }] of steps.slice(0, -1).entries())
      expect(((steps[index + 1]?.began ?? 0) - ended) / (ended - began)).toBeGreaterThan(18);
  });

  test('reports what fails, and leaves the log alone from then on', async () => {
    const error = new Error('the disk of the archive is full');
    let asked = 0;
    const store = {
      archiveSome: () => {
        asked += 1;
        throw error;
      },
    };
    const reported = await new Promise<unknown[]>((resolve) => {
      keepArchiving(store, {
        ...{ requestDays: 1, deliveryDays: 1, grantDays: 1, clock: () => 0 },
        onFault: (...fault) => resolve(fault),
        pause: { restMs: 1, lookMs: 1 },
      });
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([reported, asked]).toEqual([['archive', error], 1]);
  });
});

describe('countersign rebuild', () => {
  test('builds the rows that the log gives, whatever stood there, and says how it gets on', async () => {
    const { config, file } = await configOf();
    const store = sqliteEventStore(file);
    const sealer = psuKeys(join(temporaryFolder(), 'keys.sqlite'), Buffer.alloc(32, 1));
    await writeHistory(store, { ceremonies: 30, seed: 5, sealer });
    const head = await store.head();
    await store.close();
    sealer.close();
    const withRows = <T>(use: (rows: Rows) => T): T => {
      const rows = sqliteRows(join(config.dataDir, 'read-models.sqlite'));
      try {
        return use(rows);
      } finally {
        rows.close();
      }
    };
    const lines: string[] = [];
    await rebuild(config, { print: (line) => lines.push(line), progress: null });
    const rebuilt = { rebuilt: { events: head, seconds: expect.any(Number) } };
    expect(lines.map((line) => JSON.parse(line)).at(-1)).toEqual(rebuilt);

    const opener = psuKeys(join(config.dataDir, 'keys', 'psu-keys.sqlite'), masterKey(config.keys.masterFile, { create: false }));
    const tables = projectionsOver(opener).flatMap((projection) => Object.keys(projection.tables));
    opener.close();
    const dump = () => withRows((rows) => ['projection', ...tables].map((table) => rows.all(`select * from ${table}`)));
    const good = dump();
    expect(good.flat().length).toBeGreaterThan(100);
    withRows((rows) => {
      rows.run('delete from consent');
      rows.commit();
    });
    await rebuild(config, { print: () => undefined, progress: () => undefined });
    expect(dump()).toEqual(good);
  });

  test('fails when what it did last could not be committed', async () => {
    const store = inMemoryEventStore();
    const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
    await writeHistory(store, { ceremonies: 1, seed: 6, sealer });
    const rows = sqliteRows(':memory:');
    const running = runProjections(store, rows, projectionsOver(sealer), await store.head());
    await running.caughtUp;
    // Another end of the transaction than its own makes the commit fail.
    rows.run('rollback');
    await expect(allCommitted(running)).rejects.toThrow(ProjectionStopped);
  });

  test('is refused while an engine runs', async () => {
    const { config, file } = await configOf();
    const running = sqliteEventStore(file);
    await expect(rebuild(config, { print: () => undefined, progress: null })).rejects.toThrow(LogInUse);
    await running.close();
  });
});

describe('a node that is behind its log', () => {
  test('does not listen until its read models have caught up', async () => {
    const port = await freePort();
    const listens = () =>
      new Promise<boolean>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
        socket.once('close', () => socket.destroy());
      });
    const store = inMemoryEventStore();
    const { promise: followed, resolve: follows } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    let isFirst = true;
    const slow = {
      ...store,
      follow: (after: number) => {
        if (!isFirst) return store.follow(after);
        isFirst = false;
        return new Observable<Page>((subscriber) => {
          follows();
          void released.then(() => subscriber.add(store.follow(after).subscribe(subscriber)));
        });
      },
    };
    const starting = served({ COUNTERSIGN_SERVER_PORT: String(port) }, { store: slow });
    await followed;
    expect(await listens()).toBe(false);
    release();
    const { serving } = await starting;
    expect(await listens()).toBe(true);
    await serving.close();
  });
});
