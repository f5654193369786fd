import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from '@jest/globals';
import { lastValueFrom, NEVER, Subject } from 'rxjs';
import { sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { sharedEventStore } from '../../src/adapters/event-store/sqlite-shared.ts';
import type { EventStore } from '../../src/domain/ports/event-store.ts';
import { eventStoreContract } from '../adapters/event-store.contract.ts';
import { newEvents } from '../support/new-events.ts';
import { temporaryFolder } from '../support/served.ts';

const opened = (options?: { now?: () => number }): { writer: EventStore; shared: EventStore } => {
  const file = join(temporaryFolder(), 'log.sqlite');
  const writer = sqliteEventStore(file, options);
  return { writer, shared: sharedEventStore(file, { append: writer.append, commits: writer.follow(0) }) };
};

eventStoreContract('SQLite, as those see it who do not write it', (options) => {
  const { writer, shared } = opened(options);
  return {
    ...shared,
    async close() {
      await shared.close();
      await writer.close();
    },
  };
});

describe('the log of another process', () => {
  test('is read with all that was acknowledged to anybody', async () => {
    const { writer, shared } = opened();
    for (let revision = -1; revision < 200; revision += 1) {
      await writer.append('a-1', newEvents(1), revision);
      expect([(await shared.read('a-1')).length, await shared.head()]).toEqual([revision + 2, revision + 2]);
    }
    await shared.close();
    await writer.close();
  });

  test('that lost an event fails those who follow', async () => {
    const file = join(temporaryFolder(), 'log.sqlite');
    const writer = sqliteEventStore(file);
    await writer.append('a-1', newEvents(3), -1);
    await writer.close();
    const db = new DatabaseSync(file);
    db.exec('delete from event where position = 2');
    db.close();
    const shared = sharedEventStore(file, { append: writer.append, commits: NEVER });
    await expect(lastValueFrom(shared.follow(0))).rejects.toThrow('shows event 3 behind event 1');
    await shared.close();
  });

  test('fails those who follow when its writer stops', async () => {
    const file = join(temporaryFolder(), 'log.sqlite');
    const writer = sqliteEventStore(file);
    const commits = new Subject<void>();
    const shared = sharedEventStore(file, { append: writer.append, commits });
    const failed = new Promise((resolve) => shared.follow(0).subscribe({ error: resolve }));
    commits.error(new Error('the disk is full'));
    expect(await failed).toEqual(new Error('the disk is full'));
    await shared.close();
    await writer.close();
  });
});
