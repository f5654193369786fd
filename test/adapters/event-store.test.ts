import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { eventStoreContract } from './event-store.contract.ts';

const dir = mkdtempSync(join(tmpdir(), 'countersign-log-'));
afterAll(() => rmSync(dir, { recursive: true }));

let logs = 0;
eventStoreContract('in memory', inMemoryEventStore);
eventStoreContract('SQLite', (options) => {
  logs += 1;
  return sqliteEventStore(join(dir, `${logs}.sqlite`), options);
});
