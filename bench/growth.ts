// What a ceremony costs after so many have finished. What run.ts asks of it: `prepare` builds a log and its rows, `measure` goes on from there,
// and `startUp` starts an engine over them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock, systemIds } from '../src/adapters/clock.ts';
import { sqliteEventReader, sqliteEventStore } from '../src/adapters/event-store/sqlite.ts';
import { psuKeys } from '../src/adapters/keys/psu-keys.ts';
import { sqliteRows } from '../src/adapters/rows/sqlite.ts';
import type { EventStore } from '../src/domain/ports/event-store.ts';
import type { Rows } from '../src/domain/ports/rows.ts';
import { projectionsOver } from '../src/projections/all.ts';
import { runProjections } from '../src/projections/runner.ts';
import { ceremony, deciding } from './ceremony-log.ts';
import { castOf, UNSIGNED, writeLog } from './growth-log.ts';
import { answerRunner, cpu, freePort } from './measure.ts';

const { values: given } = parseArgs({ options: { data: { type: 'string', default: '.' } } });
// What finished did so within this time: most of its tokens have expired.
const DAYS = 500;
const PSUS = 10_000;
const AT_ONCE = 32;
const OPERATIONS = 4000;
const MAIN = join(import.meta.dirname, '../src/main.ts');
const inData = (...path: string[]): string => join(given.data, ...path);
const file = inData('log.sqlite');
const sealer = psuKeys(inData('psu-keys.sqlite'), Buffer.alloc(32, 1));

/** What was found out with so many ceremonies before: microseconds of CPU each, of all threads. */
export interface Growth {
  finished: number;
  events: number;
  append: number;
  /** A ceremony's seven appends with its decisions, without its read models. */
  decisions: number;
  /** The read models of a ceremony. */
  projections: number;
}

const openRows = (): Rows => sqliteRows(inData('read-models.sqlite'));

const follow = async (store: EventStore, rows: Rows): Promise<void> => {
  const running = runProjections(store, rows, projectionsOver(sealer), await store.head());
  await running.caughtUp;
  running.stop();
};

const prepare = async (finished: number): Promise<{ events: number }> => {
  const events = await writeLog(file, sealer, { count: finished, days: DAYS, psus: PSUS });
  const store = sqliteEventReader(file);
  const rows = openRows();
  await follow(store, rows);
  rows.close();
  await store.close();
  return { events };
};

/** The CPU of one of many, done so many at once. */
const each = async (count: number, one: (n: number) => Promise<unknown>): Promise<number> => {
  const before = cpu();
  for (let n = 0; n < count; n += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, (_, k) => one(n + k)));
  return (cpu() - before) / count;
};

const measure = async (finished: number): Promise<Growth> => {
  const store = sqliteEventStore(file);
  const events = await store.head();
  const acknowledged = () => ({
    ...{ id: systemIds.uuid(), type: 'EventNotificationAcknowledged', version: 1, correlationId: 'bench', causationId: null, sealed: null },
    ...{ actor: { kind: 'client', id: 'bench' } as const, data: JSON.stringify({ at: systemClock() }) },
  });
  const live = deciding(store, sealer);
  // Of any PSU, whose rows may not have been touched for long.
  const play = () => ceremony(live, castOf(Math.floor(Math.random() * PSUS), { at: systemClock(), psus: PSUS }), UNSIGNED);
  const rows = openRows();
  await each(OPERATIONS, play);
  await follow(store, rows);
  const decisions = await each(OPERATIONS, play);
  const before = cpu();
  await follow(store, rows);
  const projections = (cpu() - before) / OPERATIONS;
  rows.close();
  const append = await each(OPERATIONS, () => store.append(`eventNotification-${systemIds.orderedSecret()}`, [acknowledged()], -1));
  await store.close();
  return { finished, events, append, decisions, projections };
};

/** Seconds from the start of the engine as `npm start` starts it to its word that it serves, over what `prepare` made. */
const startUp = async (): Promise<number> => {
  const [port, mtlsPort] = [await freePort(), await freePort()];
  const env = {
    ...process.env,
    COUNTERSIGN_DATA_DIR: given.data,
    COUNTERSIGN_SERVER_HOST: '127.0.0.1',
    COUNTERSIGN_SERVER_PORT: String(port),
    COUNTERSIGN_SERVER_MTLS_PORT: String(mtlsPort),
    COUNTERSIGN_OPERATOR_PORT: '0',
    COUNTERSIGN_LOG_LEVEL: 'silent',
  };
  const began = performance.now();
  const engine = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = once(engine, 'exit');
  await new Promise<void>((resolve, reject) => {
    engine.stdout.on('data', (text: Buffer) => text.includes('Countersign serves') && resolve());
    gone.then(() => reject(new Error('the engine ended before it served')));
  });
  const seconds = (performance.now() - began) / 1000;
  engine.kill();
  await gone;
  return seconds;
};

answerRunner({ prepare, measure, startUp });
console.log('ready');
