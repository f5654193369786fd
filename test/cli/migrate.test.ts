import { type ChildProcess, execFile } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { copyEvents, proveEqual } from '../../src/adapters/event-store/copy.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { kurrentdbEventStore } from '../../src/adapters/event-store/kurrentdb.ts';
import { sqliteEventReader, sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { archiveFileOf } from '../../src/adapters/event-store/sqlite-archive.ts';
import { masterKey } from '../../src/adapters/keys/master-key.ts';
import { privateKeyFiles } from '../../src/adapters/keys/private-keys.ts';
import { psuKeys, wrappedPsuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { signingKeys } from '../../src/adapters/keys/signing-keys.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { sharedPrivateKeys } from '../../src/adapters/shared/private-keys.ts';
import { recordOfPsuKey, sharedPsuKeys } from '../../src/adapters/shared/psu-keys.ts';
import { inMemoryRecords, type SharedRecords } from '../../src/adapters/shared/records.ts';
import { LogInUse } from '../../src/adapters/sqlite-file.ts';
import { archive } from '../../src/cli/archive.ts';
import { migrate, type Target } from '../../src/cli/migrate.ts';
import { progressOf } from '../../src/cli/output.ts';
import { type Config, loadConfig } from '../../src/config.ts';
import { decode, families } from '../../src/domain/catalogue.ts';
import { client } from '../../src/domain/client/decider.ts';
import { type EventStore, type NewEvent, type StoredEvent, StoreUnavailable } from '../../src/domain/ports/event-store.ts';
import { signingKey } from '../../src/domain/signing-key/decider.ts';
import { projectionsOver } from '../../src/projections/all.ts';
import { findClient } from '../../src/projections/client-lookup.ts';
import { runProjections } from '../../src/projections/runner.ts';
import { writeHistory } from '../support/history.ts';
import { type KurrentdbCluster, kurrentdbCluster } from '../support/kurrentdb-server/cluster.ts';
import { settingsFor } from '../support/kurrentdb-server/settings.ts';
import { newEvent, newEvents } from '../support/new-events.ts';
import { served, temporaryFolder } from '../support/served.ts';

const CLI = join(import.meta.dirname, '../../src/cli.ts');
const CLIENT = {
  client_name: 'A TPP',
  profile: 'plain' as const,
  token_endpoint_auth_method: 'client_secret_post' as const,
  tls_client_certificate_bound_access_tokens: false,
};

const opened: { stop(): void }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.stop();
});

const categories = families.map(({ category }) => category);

const clusterLog = ({ connectionString }: KurrentdbCluster): EventStore =>
  kurrentdbEventStore(settingsFor(connectionString, { categories, deadlineMs: 10_000 }));

const everything = async (store: EventStore): Promise<readonly StoredEvent[]> => {
  const events = await store.readAll(0, 1_000_000);
  await store.close();
  return events;
};

const withoutPositions = (events: readonly StoredEvent[]) => events.map(({ position: _, ...event }) => event);

/** A data directory with a past of some years ago, and a cluster that is empty. */
const setUp = async (ceremonies = 12) => {
  const dataDir = temporaryFolder();
  const { config } = loadConfig({ env: { COUNTERSIGN_DATA_DIR: dataDir }, cwd: dataDir });
  const file = join(dataDir, 'log.sqlite');
  const master = masterKey(config.keys.masterFile, { create: true });
  const sealer = psuKeys(join(dataDir, 'keys', 'psu-keys.sqlite'), master);
  let now = 1_600_000_000_000;
  const store = sqliteEventStore(file, { now: () => ++now });
  await writeHistory(store, { ceremonies, seed: 5, sealer });
  await store.close();
  const { kid } = await signingKeys(join(dataDir, 'keys'), master).offer('ES256');
  const cluster = await kurrentdbCluster();
  opened.push(cluster);
  const records = inMemoryRecords();
  return { config, file, master, sealer, kid, cluster, records, log: await everything(sqliteEventReader(file)) };
};

/** Runs the command, and gives what it printed; `changed` has the log of the cluster as the command is given it. */
const run = async (
  { config, cluster, records }: { config: Config; cluster: KurrentdbCluster; records: SharedRecords },
  changed: (store: EventStore) => EventStore = (store) => store,
) => {
  const lines: Record<string, unknown>[] = [];
  const openTarget = async (): Promise<Target> => {
    const store = clusterLog(cluster);
    return { store: changed(store), records, close: store.close };
  };
  await migrate(config, { print: (line) => void lines.push(JSON.parse(line)), progress: null }, openTarget);
  return lines;
};

/** A store whose appends act otherwise. */
const appending = (act: (store: EventStore, ...append: Parameters<EventStore['append']>) => ReturnType<EventStore['append']>) => {
  return (store: EventStore): EventStore => ({ ...store, append: (...append) => act(store, ...append) });
};

describe('countersign migrate', () => {
  test('copies every event in its order, with its id and its time, and proves it', async () => {
    const world = await setUp();
    const rows = ['read-models', 'audit', 'read-models.kurrentdb', 'audit.kurrentdb'].map((name) =>
      join(world.config.dataDir, `${name}.sqlite`),
    );
    for (const file of rows) writeFileSync(file, 'of a log');
    const lines = await run(world);
    const events = world.log.length;
    expect(events).toBeGreaterThan(300);
    expect(withoutPositions(await everything(clusterLog(world.cluster)))).toEqual(withoutPositions(world.log));
    expect(lines.filter((line) => 'step' in line || 'outcome' in line)).toEqual([
      { step: 'keys', psu_keys: expect.any(Number), signing_keys: 1 },
      { step: 'events', copied: events, known: 0 },
      { step: 'source', events, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
      { step: 'target', events, sha256: lines.find(({ step }) => step === 'source')?.['sha256'] },
      { outcome: 'equal', events },
    ]);
    // Those of this log still say where they stand in it; those of another cluster do not.
    expect(rows.map((file) => existsSync(file))).toEqual([true, true, false, false]);
    const again = await run(world);
    expect(again).toContainEqual({ step: 'events', copied: 0, known: events });
    expect(await everything(clusterLog(world.cluster))).toHaveLength(events);
  });

  test('takes the keys along: what was sealed can be opened, and signed with', async () => {
    const { master, ...world } = await setUp();
    await run(world);
    const sealer = sharedPsuKeys(world.records, master);
    const events = await everything(sealer.keysFirst(clusterLog(world.cluster)));
    const opened = events.flatMap(({ ...event }) => {
      const { sealed } = decode(event);
      return sealed === null ? [] : [[sealer.open(sealed), world.sealer.open(sealed)]];
    });
    expect(opened.length).toBeGreaterThan(50);
    for (const [there, here] of opened) expect([typeof there, there]).toEqual(['string', here]);
    const keys = sharedPrivateKeys(world.records, { master, onFault: console.error });
    await keys.load?.([world.kid]);
    const here = privateKeyFiles(join(world.config.dataDir, 'keys'), master).find(world.kid);
    expect(here?.equals(keys.find(world.kid) as never)).toBe(true);
  });

  test('takes along what was archived, in its place', async () => {
    const world = await setUp();
    await archive(world.config, { compact: false }, () => undefined);
    const { length: archived } = sqliteRows(archiveFileOf(world.file)).all('select id from event');
    expect([archived > 100, archived < world.log.length]).toEqual([true, true]);
    await run(world);
    expect(withoutPositions(await everything(clusterLog(world.cluster)))).toEqual(withoutPositions(world.log));
  });

  test('gives the same rows, but for where the events stand', async () => {
    const world = await setUp();
    await run(world);
    const rowsOver = async (store: EventStore) => {
      const places = new Map((await store.readAll(0, 1_000_000)).map(({ position }, place) => [position, place]));
      const rows = sqliteRows(':memory:');
      const projections = projectionsOver(world.sealer);
      const running = runProjections(store, rows, projections, await store.head());
      await running.caughtUp;
      running.stop();
      await store.close();
      const ranked = (row: object) => ('position' in row ? { ...row, position: places.get(row.position as number) } : row);
      const tables = projections.flatMap((projection) => Object.keys(projection.tables));
      return tables.map((table) => [table, rows.all<object>(`select * from ${table}`).map(ranked)]);
    };
    const copied = await rowsOver(clusterLog(world.cluster));
    expect(copied).toEqual(await rowsOver(sqliteEventReader(world.file)));
  });

  test('goes on where it was cut, also where an append was kept whose answer never came', async () => {
    const world = await setUp();
    let appends = 0;
    const cut = appending(async (store, ...append) => {
      appends += 1;
      const appended = await store.append(...append);
      if (appends === 100) throw new StoreUnavailable();
      return appended;
    });
    await expect(run(world, cut)).rejects.toThrow('run it again');
    const known = (await everything(clusterLog(world.cluster))).length;
    expect(known).toBeGreaterThanOrEqual(100);
    expect(await run(world)).toContainEqual({ step: 'events', copied: world.log.length - known, known });
    expect(withoutPositions(await everything(clusterLog(world.cluster)))).toEqual(withoutPositions(world.log));
  });

  test.each([
    ['of another log', (_log: readonly StoredEvent[]): [string, NewEvent[]] => ['device-foreign', [newEvent()]]],
    [
      'of another log, in the place of ours',
      ([first]: readonly StoredEvent[]): [string, NewEvent[]] => [first?.stream ?? '', newEvents(1)],
    ],
  ])('refuses a cluster that holds an event %s, and writes nothing', async (_, foreign) => {
    const world = await setUp(1);
    const target = clusterLog(world.cluster);
    const [stream, events] = foreign(world.log);
    await target.append(stream, events, -1);
    await target.close();
    await expect(run(world)).rejects.toThrow(/the logs differ: event 1 \(.*they differ in/);
    expect(await everything(clusterLog(world.cluster))).toHaveLength(1);
    expect(await world.records.read(`signing-key-${world.kid}`)).toBeNull();
  });

  test('refuses a cluster that has gone on', async () => {
    const world = await setUp(1);
    await run(world);
    const target = clusterLog(world.cluster);
    await target.append('device-new', newEvents(1), -1);
    await target.close();
    await expect(run(world)).rejects.toThrow(/the target holds event \d+ \(SomethingNoted, device-new revision 0\), and the source ends/);
  });

  test('refuses a cluster that somebody else writes to', async () => {
    const world = await setUp(1);
    const stream = world.log[20]?.stream ?? '';
    let first = true;
    const beside = appending(async (store, ...append) => {
      if (first) await store.append(stream, newEvents(1), -1);
      first = false;
      return store.append(...append);
    });
    await expect(run(world, beside)).rejects.toThrow('somebody else writes to the cluster');
  });

  test('names an event that is more than the cluster takes, and what to set', async () => {
    const world = await setUp(1);
    const source = sqliteEventStore(world.file);
    await source.append('consent-large', [{ ...newEvent(), sealed: 'x'.repeat(1_400_000) }], -1);
    await source.close();
    await expect(run(world)).rejects.toThrow(
      /^the cluster refuses an event: event \d+ \(SomethingNoted, consent-large revision 0\) .*KURRENTDB_MAX_APPEND_SIZE/,
    );
    const larger = await kurrentdbCluster({ maxAppendSize: 4_194_304 });
    opened.push(larger);
    expect((await run({ ...world, cluster: larger, records: inMemoryRecords() })).at(-1)).toMatchObject({ outcome: 'equal' });
  });

  test('finds an event that arrived as another one', async () => {
    const world = await setUp(1);
    const last = world.log.at(-1);
    const altering = appending((store, stream, events, revision) =>
      store.append(
        stream,
        events.map((event) => (event.id === last?.id ? { ...event, data: event.data.replace('}', ',"more":1}') } : event)),
        revision,
      ),
    );
    const failure = await run(world, altering).catch((error: Error) => error.message);
    expect(failure).toContain(`event ${last?.position} (${last?.type}, ${last?.stream} revision ${last?.revision}) of the source is event`);
    expect(failure).toMatch(/they differ in data$/);
  });

  test('refuses the keys of another master, and another key in the place of a PSU’s', async () => {
    const world = await setUp(1);
    writeFileSync(world.config.keys.masterFile, Buffer.alloc(32, 9).toString('base64url'));
    await expect(run(world)).rejects.toThrow('cannot be opened with this master key');
    writeFileSync(world.config.keys.masterFile, world.master.toString('base64url'));
    const other = sharedPsuKeys(world.records, world.master);
    await other.prepare([{ psuId: 'psu-0', retention: 'request', at: 0 }]);
    await expect(run(world)).rejects.toThrow('another key of one of the PSUs');
    expect(await everything(clusterLog(world.cluster))).toHaveLength(0);
  });

  test('takes along what has become of a PSU’s keys since it was run before, and never brings one back', async () => {
    const world = await setUp(1);
    const psuId = 'psu-0';
    const keyring = () => wrappedPsuKeys(join(world.config.dataDir, 'keys', 'psu-keys.sqlite')).keyrings.get(psuId);
    const [name = ''] = keyring()?.keys() ?? [];
    await run(world);
    world.sealer.seal({ psuId, retention: 'request', at: 1_900_000_000 }, '{}', 'its place');
    await world.sealer.destroy([{ psuId, name }]);
    const before = keyring() as ReadonlyMap<string, string | null>;
    await run(world);
    const moved = JSON.parse((await world.records.read(recordOfPsuKey(psuId)))?.text as string);
    expect(moved).toEqual(Object.fromEntries(before));
    expect([moved[name], typeof moved['request.2030-03']]).toEqual([null, 'string']);
    await sharedPsuKeys(world.records, world.master).destroy([{ psuId, name: 'request.2030-03' }]);
    await expect(run(world)).rejects.toThrow('it was erased there');
  });

  test('refuses a cluster whose streams somebody else has written', async () => {
    const world = await setUp(1);
    const [stream, id] = ['device-foreign', crypto.randomUUID()];
    world.cluster.log.append(stream, 'any', [
      { id, type: 't', contentType: 'application/json', data: Buffer.from('{}'), metadata: Buffer.from('{}') },
    ]);
    await expect(run(world)).rejects.toThrow('device-foreign/0 was not written by Countersign');
  });

  test('leaves a log alone that an engine writes to', async () => {
    const world = await setUp(1);
    const engine = sqliteEventStore(world.file);
    await expect(run(world)).rejects.toThrow(LogInUse);
    await engine.close();
  });
});

describe('on the command line', () => {
  const environmentOf = ({ connectionString }: KurrentdbCluster, dataDir: string): Record<string, string> => {
    const connection = join(temporaryFolder(), 'connection');
    writeFileSync(connection, connectionString);
    return { COUNTERSIGN_DATA_DIR: dataDir, COUNTERSIGN_STORE_KURRENTDB_CONNECTION_STRING_FILE: connection };
  };

  /** Runs it to its end; `begun` has the process as soon as it runs. */
  const countersign = async (env: Record<string, string>, begun: (child: ChildProcess) => unknown = () => undefined) => {
    const running = promisify(execFile)(process.execPath, [CLI, 'migrate', '--from', 'sqlite', '--to', 'kurrentdb'], {
      env: { ...process.env, ...env },
      cwd: env['COUNTERSIGN_DATA_DIR'],
    });
    begun(running.child);
    const { stdout } = await running;
    const lines = stdout.trim().split('\n');
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  };

  test('an engine goes on in the cluster where it stopped in its data directory', async () => {
    const before = await served();
    const clientId = await before.client(CLIENT, 'a secret of the client');
    const keys = await before.serving.engine.load(signingKey, 'ES256');
    await before.serving.close();
    const cluster = await kurrentdbCluster();
    opened.push(cluster);
    const env = environmentOf(cluster, before.config.dataDir);

    expect((await countersign(env)).at(-1)).toMatchObject({ outcome: 'equal' });
    const after = await served({ ...env, COUNTERSIGN_STORE_KIND: 'kurrentdb' });
    expect(await after.serving.engine.load(client, clientId)).toMatchObject({ status: 'active' });
    expect(findClient(after.serving.engine.readModels.rows, clientId)).toBeDefined();
    expect(await after.serving.engine.load(signingKey, 'ES256')).toEqual(keys);
    await after.serving.close();
  });

  test('it goes on where kill -9 has cut it', async () => {
    const { cluster, config, log } = await setUp();
    const env = environmentOf(cluster, config.dataDir);
    const killed = countersign(env, (child) =>
      cluster.log.commits.subscribe(() => cluster.log.all().length > 200 && child.kill('SIGKILL')),
    );
    await expect(killed).rejects.toMatchObject({ signal: 'SIGKILL' });
    const { length: known } = await everything(clusterLog(cluster));
    expect([known > 0, known < log.length]).toEqual([true, true]);

    const lines = await countersign(env);
    expect(lines).toContainEqual({ step: 'events', copied: log.length - known, known });
    expect(lines.at(-1)).toEqual({ outcome: 'equal', events: log.length });
    expect(withoutPositions(await everything(clusterLog(cluster)))).toEqual(withoutPositions(log));
  });
});

test('how far it is, is told once a second', () => {
  jest.useFakeTimers();
  try {
    const told: string[] = [];
    const print = (line: string) => void told.push(line);
    const [tellPrograms, tellPeople] = [
      { print, progress: null },
      { print, progress: print },
    ].map((output) => progressOf('copied', 1000, output));
    tellPrograms?.(10);
    jest.advanceTimersByTime(2000);
    tellPrograms?.(500);
    tellPeople?.(500);
    tellPeople?.(501);
    expect(told).toEqual([
      '{"copied":{"done":500,"total":1000,"eventsPerSecond":250,"secondsLeft":2}}',
      expect.stringMatching(/^copied .* 50 %, 500 of 1,000, 250 events\/s, 2 s left$/),
    ]);
  } finally {
    jest.useRealTimers();
  }
});

test('a log is proved by all of its events: one that the target has lost is named', async () => {
  const [source, target] = [inMemoryEventStore({ now: () => 1 }), inMemoryEventStore({ now: () => 1 })];
  const events = newEvents(3);
  await source.append('a-1', events, -1);
  await target.append('a-1', events.slice(0, 2), -1);
  await expect(proveEqual(source, target, () => undefined)).rejects.toThrow('not hold event 3 (SomethingNoted, a-1 revision 2)');
});

test('events that were appended together are copied together, wherever a page ends', async () => {
  let now = 0;
  const appends: (readonly [string, number])[] = [];
  const noting = (store: EventStore): EventStore => ({
    ...store,
    append(stream, events, revision) {
      appends.push([stream, events.length]);
      return store.append(stream, events, revision);
    },
  });
  const source = noting(inMemoryEventStore({ now: () => ++now }));
  for (let n = 0; n < 998; n += 1) await source.append(`a-${n}`, newEvents(1), -1);
  await source.append('a-over', newEvents(5), -1);
  await source.append('a-over', newEvents(2), 4);
  await source.append('a-next', newEvents(1), -1);
  const made = appends.splice(0);
  expect(await copyEvents(source, noting(inMemoryEventStore()), 0, () => undefined)).toBe(1006);
  expect(appends).toEqual(made);
});
