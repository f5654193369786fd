import { readFileSync } from 'node:fs';
import type { KurrentdbSettings } from '../../src/adapters/event-store/kurrentdb.ts';
import { addressIn } from '../../src/adapters/event-store/kurrentdb-address.ts';
import { settingsFor } from './kurrentdb-server/settings.ts';

const { COUNTERSIGN_TEST_KURRENTDB, COUNTERSIGN_TEST_KURRENTDB_CA_FILE } = process.env;
// Each of them is called by itself too: a cluster of one, or a name that stands for all, would show less than it says.
const LEAST_NODES = 3;

const named = (): string => {
  if (!COUNTERSIGN_TEST_KURRENTDB)
    throw new Error(
      'COUNTERSIGN_TEST_KURRENTDB names no cluster: set it to its connection string (and COUNTERSIGN_TEST_KURRENTDB_CA_FILE to the PEM file of its authority)',
    );
  const { hosts, discover } = addressIn(COUNTERSIGN_TEST_KURRENTDB);
  const nodes = new Set(hosts.map(({ address, port }) => `${address}:${port}`)).size;
  if (discover || nodes < LEAST_NODES)
    throw new Error(`COUNTERSIGN_TEST_KURRENTDB is to name the nodes of a cluster one by one, and at least ${LEAST_NODES}`);
  return COUNTERSIGN_TEST_KURRENTDB;
};

/** The real cluster that `npm run test:kurrentdb` runs against. */
export const realCluster: KurrentdbSettings = settingsFor(named(), {
  ca: COUNTERSIGN_TEST_KURRENTDB_CA_FILE ? readFileSync(COUNTERSIGN_TEST_KURRENTDB_CA_FILE) : null,
  deadlineMs: 10_000,
  maxInFlight: 512,
});
/** Settings of a node that has its log there. */
export const settingsOfNodes: Record<string, string> = {
  COUNTERSIGN_STORE_KURRENTDB_DEADLINE_MS: '10000',
  ...(COUNTERSIGN_TEST_KURRENTDB_CA_FILE && { COUNTERSIGN_STORE_KURRENTDB_CA_FILE: COUNTERSIGN_TEST_KURRENTDB_CA_FILE }),
};
