import type { Observable } from 'rxjs';
import type { StoredEvent } from '../../domain/ports/event-store.ts';

/** What can be watched: what happens, by the streams that it happens on. */
export type Watchable = Observable<{ events: readonly Pick<StoredEvent, 'stream'>[] }>;

/** One caller that waits for something to happen on a few streams. */
export interface Watch {
  /** Whether the read models have applied an event of the streams since the last time of asking; false when the wait is over. */
  changed(): Promise<boolean>;
  /** Lets go of the streams; needed once per watch. */
  end(): void;
}

/** The callers of this node that wait. They cost nothing while nothing happens, and are woken by what the read models have applied. */
export interface LongPolls {
  /**
   * Watches from this moment on, for so many seconds and no longer than the caller is there; null when too many wait already, in all or of
   * this client.
   */
  watch(streams: readonly string[], limits: { seconds: number; closed: AbortSignal; of: string }): Watch | null;
  /** How many wait now. */
  waiting(): number;
  /** Ends every wait now; from here on nobody waits. */
  stop(): void;
}

// So that no client can keep all the others from waiting.
const SHARE = 2;

/** At most `most` callers wait at once, and half of them of one client. When the read models stop, nobody waits any more. */
export const longPolls = (applied: Watchable, { most }: { most: number }): LongPolls => {
  const watching = new Map<string, Set<Waiter>>();
  const ofClient = new Map<string, number>();
  const share = Math.ceil(most / SHARE);
  let waiting = 0;
  let stopped = false;

  const stop = () => {
    stopped = true;
    for (const waiter of new Set([...watching.values()].flatMap((waiters) => [...waiters]))) waiter.over();
  };
  applied.subscribe({
    next({ events }) {
      if (waiting === 0) return;
      for (const { stream } of events) for (const waiter of watching.get(stream) ?? []) waiter.wake();
    },
    error: stop,
    complete: stop,
  });

  return {
    waiting: () => waiting,
    stop,
    watch(streams, { seconds, closed, of }) {
      const own = ofClient.get(of) ?? 0;
      if (stopped || closed.aborted || waiting >= most || own >= share) return null;
      const waiter = makeWaiter();
      const timer = setTimeout(waiter.over, seconds * 1000);
      closed.addEventListener('abort', waiter.over);
      waiting += 1;
      ofClient.set(of, own + 1);
      for (const stream of streams) watching.set(stream, (watching.get(stream) ?? new Set()).add(waiter));
      return {
        changed: waiter.changed,
        end() {
          clearTimeout(timer);
          closed.removeEventListener('abort', waiter.over);
          waiting -= 1;
          const left = (ofClient.get(of) ?? 1) - 1;
          if (left === 0) ofClient.delete(of);
          else ofClient.set(of, left);
          for (const stream of streams) {
            const waiters = watching.get(stream);
            waiters?.delete(waiter);
            if (waiters?.size === 0) watching.delete(stream);
          }
        },
      };
    },
  };
};

interface Waiter extends Pick<Watch, 'changed'> {
  wake(): void;
  over(): void;
}

const makeWaiter = (): Waiter => {
  let woken = false;
  let isOver = false;
  let signal: () => void = () => undefined;
  return {
    wake() {
      woken = true;
      signal();
    },
    over() {
      isOver = true;
      signal();
    },
    async changed() {
      // What happened while nobody asked counts: an answer must not fall between a look and a wait.
      if (!woken && !isOver)
        await new Promise<void>((resolve) => {
          signal = resolve;
        });
      const happened = woken && !isOver;
      woken = false;
      return happened;
    },
  };
};

const WAIT = /(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:$|[,;])/i;

/** The seconds that a caller prefers to wait (`Prefer: wait=`, RFC 7240, section 4.3), within these bounds; 0 for not at all. */
export const preferredWait = (prefer: string | string[] | undefined, ...bounds: readonly number[]): number => {
  if (prefer === undefined) return 0;
  const [, seconds = '0'] = WAIT.exec([prefer].flat().join(',')) ?? [];
  return Math.max(0, Math.min(Number(seconds), ...bounds));
};
