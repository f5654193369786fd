import type { KurrentdbSettings } from '../../../src/adapters/event-store/kurrentdb.ts';

/** Settings of a store in a cluster, for tests. */
export const settingsFor = (connectionString: string, given: Partial<KurrentdbSettings> = {}): KurrentdbSettings => ({
  connectionString,
  ca: null,
  credentials: null,
  requireTls: false,
  deadlineMs: 1000,
  maxInFlight: 64,
  categories: ['a', 'b'],
  ...given,
});
