// Replays a log of whole ceremonies into the projections. What run.ts asks of it: `prepare` builds the log, `replay` reads it once.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sqliteEventReader } from '../src/adapters/event-store/sqlite.ts';
import { psuKeys } from '../src/adapters/keys/psu-keys.ts';
import { sqliteRows } from '../src/adapters/rows/sqlite.ts';
import { removeDatabase } from '../src/adapters/sqlite-file.ts';
import { projectionsOver } from '../src/projections/all.ts';
import { runProjections } from '../src/projections/runner.ts';
import { writeLog } from './growth-log.ts';
import { answerRunner } from './measure.ts';

const { values: given } = parseArgs({ options: { data: { type: 'string', default: '.' }, quick: { type: 'boolean', default: false } } });
const CEREMONIES = given.quick ? 2_000 : 50_000;
const DAYS = 500;
const PSUS = 1000;
const inData = (name: string): string => join(given.data, name);
const file = inData('log.sqlite');
const sealer = psuKeys(inData('psu-keys.sqlite'), Buffer.alloc(32, 1));
const projections = projectionsOver(sealer);

const prepare = async (): Promise<{ events: number; projections: readonly string[] }> => ({
  events: await writeLog(file, sealer, { count: CEREMONIES, days: DAYS, psus: PSUS }),
  projections: projections.map(({ name }) => name),
});

/** Events per second from the first event to caught up, into fresh files; into one projection alone, or into all of them. */
const replay = async (name: string | null): Promise<number> => {
  const store = sqliteEventReader(file);
  const rowsFile = inData('read-models.sqlite');
  removeDatabase(rowsFile);
  const rows = sqliteRows(rowsFile);
  const events = await store.head();
  const wanted = projections.filter((projection) => name === null || projection.name === name);
  const start = performance.now();
  const running = runProjections(store, rows, wanted, events);
  await running.caughtUp;
  const seconds = (performance.now() - start) / 1000;
  running.stop();
  rows.close();
  await store.close();
  return events / seconds;
};

answerRunner({ prepare, replay });
console.log('ready');
