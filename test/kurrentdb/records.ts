import { readFileSync } from 'node:fs';
import { afterAll } from '@jest/globals';
import { type KurrentdbShared, kurrentdbShared } from '../../src/adapters/shared/kurrentdb.ts';
import { recordsContract } from '../adapters/shared/records.contract.ts';
import { settingsFor } from '../support/kurrentdb-server/settings.ts';

// `npm run test:kurrentdb`, as `cluster.ts`: the names of these records are new each time.
const { COUNTERSIGN_TEST_KURRENTDB: connectionString = '', COUNTERSIGN_TEST_KURRENTDB_CA_FILE: caFile } = process.env;

const opened: KurrentdbShared[] = [];
afterAll(() => {
  for (const one of opened) one.close();
});
recordsContract('in a KurrentDB cluster', () => {
  const settings = settingsFor(connectionString, { ca: caFile ? readFileSync(caFile) : null, deadlineMs: 10_000 });
  const shared = kurrentdbShared(settings, { kept: [] });
  opened.push(shared);
  return shared.records;
});
