import type { Decider, Decision } from '../decider.ts';
import { OAuthError } from '../oauth-error.ts';
import { type PsuEvents, type PsuFact, psuEvents } from './events.ts';

type DataOf<T extends PsuFact['type']> = Extract<PsuFact, { type: T }>['data'];
type Decides = Decision<PsuState, PsuEvents>;

/** What has become of what is kept of a PSU. */
export interface PsuState {
  erased: { at: number; eventId: string } | null;
  /** When the last of the keys was destroyed. */
  destroyedAt: number | null;
  /** The names of the keys whose time is over. */
  expired: readonly string[];
}

/** A PSU, from their events. */
export const psu: Decider<PsuState, PsuEvents> = {
  events: psuEvents,
  initial: { erased: null, destroyedAt: null, expired: [] },
  evolve(state, event) {
    switch (event.type) {
      case 'PsuErased':
        return { ...state, erased: { at: event.data.at, eventId: event.eventId } };
      case 'PsuKeysDestroyed':
        return { ...state, destroyedAt: event.data.at };
      case 'PsuDataExpired':
        return { ...state, expired: [...state.expired, keyNameOf(event.data)] };
    }
  },
};

/** The name that a key has in the texts that it seals. */
export const keyNameOf = ({ retention, period }: Pick<DataOf<'PsuDataExpired'>, 'retention' | 'period'>): string =>
  `${retention}.${period}`;

/** The person is to be forgotten. Again is once. */
export const erase =
  (data: DataOf<'PsuErased'>): Decides =>
  ({ erased }) =>
    erased === null ? [{ type: 'PsuErased', data }] : [];

/** Records that nothing can be opened any more. */
export const keysDestroyed =
  (data: DataOf<'PsuKeysDestroyed'>): Decides =>
  ({ erased }) => {
    if (erased === null) throw new OAuthError('conflict', 'the PSU is not erased');
    return [{ type: 'PsuKeysDestroyed', data }];
  };

/** The time of a key is over. Again is once; of a PSU who was erased all are gone. */
export const expire =
  (data: DataOf<'PsuDataExpired'>): Decides =>
  ({ erased, expired }) =>
    erased !== null || expired.includes(keyNameOf(data)) ? [] : [{ type: 'PsuDataExpired', data }];
