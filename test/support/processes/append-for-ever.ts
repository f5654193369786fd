import { writeSync } from 'node:fs';
import { sqliteEventStore } from '../../../src/adapters/event-store/sqlite.ts';
import type { NewEvent } from '../../../src/domain/ports/event-store.ts';
import { newEvent } from '../new-events.ts';

// Appends to the log that is named on the command line until it is killed or the log stops. Prints what was acknowledged, and why it ended.
const WRITERS = 8;
const [file = ''] = process.argv.slice(2);
const say = (line: object) => writeSync(1, `${JSON.stringify(line)}\n`);

const write = async (append: (stream: string, events: NewEvent[], revision: number) => Promise<{ position: number }>, stream: string) => {
  for (let revision = -1, turn = 0; ; turn += 1) {
    const of = 1 + (turn % 3);
    const events = Array.from({ length: of }, (_, index) => newEvent({ data: JSON.stringify({ index, of, padding: 'p'.repeat(300) }) }));
    const { position } = await append(stream, events, revision);
    say({ ids: events.map((event) => event.id), position });
    revision += of;
  }
};

try {
  const store = sqliteEventStore(file);
  store.follow(await store.head()).subscribe({ error: (error: Error) => say({ followers: error.name }) });
  await Promise.all(Array.from({ length: WRITERS }, (_, n) => write(store.append, `written-${process.pid}-${n}`)));
} catch (error) {
  say({ stopped: (error as Error).name });
}
