import { expect, test } from '@jest/globals';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { RevisionConflict } from '../../src/domain/ports/event-store.ts';
import { makeRegistry } from '../../src/serve/metrics/registry.ts';
import { storeMetrics } from '../../src/serve/metrics/store.ts';
import { metricsIn } from '../support/metrics.ts';
import { newEvents } from '../support/new-events.ts';

test('of two appends at one revision one is counted as kept, with its events, and one as a conflict', async () => {
  const { observed, metrics } = storeMetrics();
  const { registry, add } = makeRegistry();
  add(...metrics);
  const store = observed(inMemoryEventStore());
  const events = newEvents(2);
  const outcomes = await Promise.allSettled([events, newEvents(2)].map((one) => store.append('a-1', one, -1)));
  expect(outcomes).toMatchObject([{ status: 'fulfilled' }, { status: 'rejected', reason: expect.any(RevisionConflict) }]);
  await store.close();
  await expect(store.append('a-1', newEvents(1), 1)).rejects.toThrow();
  const counted = metricsIn(await registry.metrics());
  expect(counted.get('countersign_append_seconds_count')).toBe(1);
  expect(counted.get(`countersign_events_total{type="${events[0]?.type}"}`)).toBe(2);
  for (const reason of ['conflict', 'failed']) expect(counted.get(`countersign_appends_refused_total{reason="${reason}"}`)).toBe(1);
});
