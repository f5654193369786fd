import { randomUUID } from 'node:crypto';
import type { NewEvent } from '../../src/domain/ports/event-store.ts';

/** An event of no family, for tests that look at stores only. */
export const newEvent = (given: Partial<NewEvent> = {}): NewEvent => ({
  id: randomUUID(),
  type: 'SomethingNoted',
  version: 1,
  actor: { kind: 'engine', id: 'test' },
  correlationId: 'a-story',
  causationId: null,
  data: '{}',
  sealed: null,
  ...given,
});

/** As many as are asked for. */
export const newEvents = (count: number): NewEvent[] => Array.from({ length: count }, () => newEvent());
