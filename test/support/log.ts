import { filter, firstValueFrom, map, startWith, switchMap } from 'rxjs';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import type { TestEngine } from './engine.ts';

/** What callers have brought into the log behind a position: everything but what the engine did by itself. */
export const facts = async ({ ports }: TestEngine, afterPosition = 0): Promise<readonly StoredEvent[]> =>
  (await ports.store.readAll(afterPosition, 1_000_000)).filter(({ actor }) => actor.kind !== 'engine');

/** The event that the engine will have recorded by itself, as soon as it has. */
export const recorded = (tested: TestEngine, type: string, stream: string): Promise<StoredEvent> =>
  firstValueFrom(
    tested.engine.projections.applied.pipe(
      startWith(0),
      switchMap(() => tested.log()),
      map((log) => log.find((event) => event.type === type && event.stream === stream)),
      filter((event) => event !== undefined),
    ),
  );
