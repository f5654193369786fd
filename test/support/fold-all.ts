import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import type { Sealer } from '../../src/domain/ports/sealer.ts';
import { type Json, makeReplay } from '../../src/domain/replay.ts';

/** A fact, and the state of its stream right after it. */
interface Step {
  event: StoredEvent;
  stream: string;
  state: Json;
}

/** Plays facts and tells the state of its stream after each of them. */
export function* foldAll(events: Iterable<StoredEvent>, sealer: Sealer | null = null): Generator<Step, undefined> {
  const replay = makeReplay(sealer);
  for (const event of events) {
    replay.apply(event);
    yield { event, stream: event.stream, state: replay.state(event.stream) };
  }
}
