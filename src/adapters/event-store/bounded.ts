import { type EventStore, StoreBusy } from '../../domain/ports/event-store.ts';

/**
 * A store whose appends are bounded: the pressure is the appends under way as a share of `most`, and from twice as many on they are refused
 * with `StoreBusy` before they are begun.
 */
export const bounded = (store: EventStore, { most }: { most: number }): EventStore => {
  let underWay = 0;
  const end = () => {
    underWay -= 1;
  };
  return {
    ...store,
    append(stream, events, expectedRevision) {
      if (underWay >= 2 * most) return Promise.reject(new StoreBusy());
      underWay += 1;
      const kept = store.append(stream, events, expectedRevision);
      kept.then(end, end);
      return kept;
    },
    pressure: () => underWay / most,
  };
};
