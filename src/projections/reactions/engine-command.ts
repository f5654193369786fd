import type { Command } from '../../domain/decide.ts';
import type { Ids } from '../../domain/ports/clock.ts';

/** What a reaction records with. */
export const engineCommand = (ids: Ids, reaction: string, correlationId: string, causationId: string | null = null): Command => ({
  id: ids.uuid(),
  actor: { kind: 'engine', id: reaction },
  correlationId,
  causationId,
});
