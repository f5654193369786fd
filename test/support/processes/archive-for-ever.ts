import { writeSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { sqliteEventStore } from '../../../src/adapters/event-store/sqlite.ts';
import { newEvent } from '../new-events.ts';

// Appends to the log that is named on the command line and archives what is an hour old, until it is killed. Each event makes an hour pass.
// Prints what was acknowledged, and after each step of the archive how many steps there were.
const HOUR = 3600;
const [file = ''] = process.argv.slice(2);
const say = (line: object) => writeSync(1, `${JSON.stringify(line)}\n`);

let at = 0;
const store = sqliteEventStore(file, { now: () => at * 1000 });
at = (await store.head()) * HOUR;
const closing = {
  soonestSeconds: HOUR,
  staysSeconds: () => HOUR,
  overAt: (events: readonly { recordedAt: number }[]) => Math.max(...events.map(({ recordedAt }) => recordedAt / 1000)),
};

const appending = async () => {
  for (let n = 0; ; n += 1) {
    at += HOUR;
    const event = newEvent({ data: JSON.stringify({ index: 0, of: 1, padding: 'p'.repeat(300) }) });
    const stream = `written-${process.pid}-${n % 50}`;
    const { position } = await store.append(stream, [event], Math.floor(n / 50) - 1);
    say({ ids: [event.id], position });
  }
};
const archiving = async () => {
  for (;;) {
    store.archiveSome(closing, at);
    await nextTurn();
  }
};
await Promise.all([appending(), archiving()]);
