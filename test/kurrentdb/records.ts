import { afterAll } from '@jest/globals';
import { type KurrentdbShared, kurrentdbShared } from '../../src/adapters/shared/kurrentdb.ts';
import { newsContract } from '../adapters/shared/news.contract.ts';
import { recordsContract } from '../adapters/shared/records.contract.ts';
import { realCluster } from '../support/real-cluster.ts';

// `npm run test:kurrentdb`, as `cluster.ts`: the names of these records are new each time, and nodes pass over these news.
const opened: KurrentdbShared[] = [];
afterAll(() => {
  for (const one of opened) one.close();
});
const open = (): KurrentdbShared => {
  const shared = kurrentdbShared(realCluster, { kept: [60, 600] });
  opened.push(shared);
  return shared;
};
recordsContract('in a KurrentDB cluster', () => open().records);
newsContract('in a KurrentDB cluster', () => open().news);
