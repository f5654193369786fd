import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from '@jest/globals';
import { sqliteEventReader, sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { newEvent } from '../support/new-events.ts';
import { temporaryFolder } from '../support/served.ts';

/** A log as it was made before events said which older programs can read them. */
const olderFile = async (): Promise<string> => {
  const file = join(temporaryFolder(), 'log.sqlite');
  const store = sqliteEventStore(file);
  await store.append('toy-1', [newEvent({ id: 'one' })], -1);
  await store.close();
  const db = new DatabaseSync(file);
  db.exec('alter table event drop column compatible_from');
  db.close();
  return file;
};

describe('a log that was made by an older version', () => {
  test('is read as it is', async () => {
    const reader = sqliteEventReader(await olderFile());
    expect(await reader.readAll(0, 10)).toEqual([expect.objectContaining({ id: 'one', compatibleFrom: undefined })]);
    await reader.close();
  });

  test('is brought up to date by who writes to it', async () => {
    const file = await olderFile();
    const store = sqliteEventStore(file);
    await store.append('toy-1', [newEvent({ id: 'two', version: 3, compatibleFrom: 2 })], 0);
    await store.close();
    const again = sqliteEventStore(file);
    expect((await again.read('toy-1')).map(({ id, compatibleFrom }) => [id, compatibleFrom])).toEqual([
      ['one', undefined],
      ['two', 2],
    ]);
    await again.close();
  });
});
