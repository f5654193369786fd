import { consent, type LodgedConsent } from '../../domain/consent/decider.ts';
import { type ConsentEvents, consentEvents } from '../../domain/consent/events.ts';
import type { EventOf } from '../../domain/events.ts';
import type { EventStore } from '../../domain/ports/event-store.ts';

/** One fact of a consent, and the consent before and after it. */
export interface Chapter {
  event: EventOf<ConsentEvents>;
  before: LodgedConsent | null;
  after: LodgedConsent;
}

/** A consent from its first fact to its last; empty for one that does not exist. */
export type Story = readonly Chapter[];

/** Reads the story of a consent from its stream. */
export const makeReadStory =
  (store: EventStore) =>
  async (consentId: string): Promise<Story> => {
    const story: Chapter[] = [];
    for (const stored of await store.read(`consent-${consentId}`)) {
      const event = consentEvents.decode(stored);
      const before = story.at(-1)?.after ?? null;
      const after = consent.evolve(before ?? consent.initial, event);
      if (after.status !== 'absent') story.push({ event, before, after });
    }
    return story;
  };
export type ReadStory = ReturnType<typeof makeReadStory>;
