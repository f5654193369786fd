import { afterEach, describe, expect, test } from '@jest/globals';
import { lastValueFrom, takeWhile, toArray } from 'rxjs';
import { type KurrentdbSettings, kurrentdbEventStore } from '../../src/adapters/event-store/kurrentdb.ts';
import { addressIn } from '../../src/adapters/event-store/kurrentdb-address.ts';
import { type EventStore, RevisionConflict } from '../../src/domain/ports/event-store.ts';
import { eventStoreContract } from '../adapters/event-store.contract.ts';
import { isolated } from '../support/kurrentdb-server/isolated.ts';
import { newEvents } from '../support/new-events.ts';
import { realCluster } from '../support/real-cluster.ts';

// `npm run test:kurrentdb`: against a real cluster, whose other content is neither read nor touched.
const settings = (given: Partial<KurrentdbSettings>): KurrentdbSettings => ({ ...realCluster, ...given });

eventStoreContract(
  'a KurrentDB cluster',
  () => {
    const { categories, wrap } = isolated(['a', 'b', 'past', 'written']);
    return wrap(kurrentdbEventStore(settings({ categories })));
  },
  { gapFree: false, clock: false, many: 3500 },
);

describe('every node of a KurrentDB cluster', () => {
  const opened: EventStore[] = [];
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close();
  });

  /** One store for each node that the connection string names, called at that node first. */
  const storePerNode = (): EventStore[] => {
    const { categories, wrap } = isolated(['a']);
    const { hosts, tls, credentials } = addressIn(realCluster.connectionString);
    return hosts.map(({ address, port }) => {
      const atNode = `kurrentdb://${address}:${port}?tls=${tls}`;
      const store = kurrentdbEventStore(settings({ connectionString: atNode, credentials, categories }));
      opened.push(store);
      return wrap(store);
    });
  };

  test('takes appends, and shows those of the others to followers and readers', async () => {
    const stores = storePerNode();
    const rounds = 20;
    const followers = stores.map((store) => {
      let shown = 0;
      const goesOn = ({ events }: { events: readonly unknown[] }) => {
        shown += events.length;
        return shown < rounds * stores.length;
      };
      return lastValueFrom(store.follow(0).pipe(takeWhile(goesOn, true), toArray()));
    });
    for (let round = 0; round < rounds; round += 1)
      for (const [index, store] of stores.entries()) await store.append('a-1', newEvents(1), round * stores.length + index - 1);
    const [log, ...others] = await Promise.all(stores.map((store) => store.read('a-1')));
    expect(log).toHaveLength(rounds * stores.length);
    for (const other of others) expect(other).toEqual(log);
    for (const pages of await Promise.all(followers)) expect(pages.flatMap(({ events }) => events)).toEqual(log);
  });

  test('lets one of many callers win', async () => {
    const stores = storePerNode();
    for (let revision = -1; revision < 19; revision += 1) {
      const rivals = Array.from({ length: 24 }, (_, n) => stores[n % stores.length] as EventStore);
      const outcomes = await Promise.allSettled(rivals.map((store) => store.append('a-1', newEvents(1), revision)));
      const refusals = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.constructor] : []));
      expect(refusals).toEqual(Array(23).fill(RevisionConflict));
    }
  });
});
