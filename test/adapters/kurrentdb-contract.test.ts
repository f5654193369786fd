import { afterEach, beforeEach } from '@jest/globals';
import { kurrentdbEventStore } from '../../src/adapters/event-store/kurrentdb.ts';
import { type KurrentdbCluster, kurrentdbCluster } from '../support/kurrentdb-server/cluster.ts';
import { isolated } from '../support/kurrentdb-server/isolated.ts';
import { settingsFor } from '../support/kurrentdb-server/settings.ts';
import { eventStoreContract } from './event-store.contract.ts';

let cluster: KurrentdbCluster;
beforeEach(async () => {
  cluster = await kurrentdbCluster();
});
afterEach(() => cluster.stop());

const openStore = () => {
  const { categories, wrap } = isolated(['a', 'b', 'past', 'written']);
  return wrap(kurrentdbEventStore(settingsFor(cluster.connectionString, { categories, maxInFlight: 512, deadlineMs: 10_000 })));
};
eventStoreContract('KurrentDB', openStore, { gapFree: false, clock: false, many: 1500 });
