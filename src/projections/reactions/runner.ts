import { Observable, of } from 'rxjs';
import type { DomainEvent } from '../../domain/catalogue.ts';
import type { Applied } from '../runner.ts';

/** One piece of work that the log owes the world, as a read model shows it. */
export interface Due {
  /** The same for the same piece of work. */
  key: string;
  /**
   * Does it and records that it was done, which takes it off the list. Done twice it must record nothing new. `mayRepeat`: it was due already
   * when this process came on duty, so that another one may have done it and died before it could say so; or an attempt of this one failed.
   */
  act(mayRepeat: boolean): Promise<unknown>;
}

/** What the engine does by itself because of a fact or of the time. Whatever is not recorded as done is due again, also after a crash. */
export interface Reaction {
  name: string;
  /**
   * The events that make something due, or take it off the list and so let the next one come; what time alone makes due is found every
   * second.
   */
  after: readonly DomainEvent['type'][];
  due(limit: number): readonly Due[];
  /** The keys of everything that is due, where it matters outside whether something is done twice. */
  outstanding?(): readonly string[];
}

/** How one reaction is getting on, in this process. */
export interface Outbox {
  reaction: string;
  /** What is under way, or failed and is tried again. */
  due: number;
  /** Since when the oldest of it has been due here, in epoch milliseconds; null when nothing is. */
  oldest: number | null;
  /** How many attempts were done, and how many failed, since the start. */
  done: number;
  failed: number;
}

const TICK_MS = 1000;
const AT_ONCE = 200;
const MOST_HELD = 1000;

const seconds = new Observable<void>((subscriber) => {
  const timer = setInterval(() => subscriber.next(), TICK_MS).unref();
  return () => clearInterval(timer);
});

/**
 * Does what is due while on duty, after every event that concerns it and every second. What fails is tried again. Returns how to stop, and
 * to see how it gets on.
 */
export const runReactions = ({
  reactions,
  applied,
  time = seconds,
  onDuty = of(true),
  onError,
}: {
  reactions: readonly Reaction[];
  applied: Observable<Pick<Applied, 'types'>>;
  /** Reminds of the time; every second if not given. */
  time?: Observable<unknown>;
  /** Whether it is for this process to do it, as that changes; always if not given. */
  onDuty?: Observable<boolean>;
  onError(reaction: string, error: unknown): void;
}): { outboxes(): readonly Outbox[]; stop(): Promise<void> } => {
  const running = reactions.map((reaction) => ({
    ...{ ...reaction, done: 0, failed: 0, inherited: new Set<string>() },
    underWay: new Map<string, { since: number; ended: Promise<void> }>(),
    /** What failed and is not under way, with the moment since when it has been due. */
    failing: new Map<string, number>(),
  }));
  type Running = (typeof running)[number];
  const awaiting = new Set<Running>();
  let idle = true;
  // The read models have stopped: what they say is due may have been done.
  let over = false;

  const start = (reaction: Running, { key, act }: Due) => {
    const { name, underWay, failing, inherited } = reaction;
    if (underWay.has(key)) return;
    const since = failing.get(key) ?? Date.now();
    const failed = failing.delete(key);
    const ended = act(inherited.has(key) || failed)
      .then(() => {
        reaction.done += 1;
      })
      .catch((error: unknown) => {
        reaction.failed += 1;
        onError(name, error);
        return new Promise<void>((resolve) => setTimeout(resolve, TICK_MS).unref()).then(() => {
          if (!idle) failing.set(key, since);
        });
      })
      .then(() => void underWay.delete(key));
    underWay.set(key, { since, ended });
  };

  /** What failed and is no longer on the list is not owed any more. */
  const forget = ({ failing }: Running, due: readonly Due[]) => {
    if (failing.size === 0) return;
    const listed = new Set(due.map(({ key }) => key));
    for (const key of failing.keys()) if (!listed.has(key)) failing.delete(key);
  };

  const sweep = () => {
    const looking = running.filter((reaction) => awaiting.has(reaction));
    awaiting.clear();
    if (idle || over) return;
    for (const reaction of looking) {
      // What is under way or failed stands first in the list: it must not hide what comes behind it.
      const limit = AT_ONCE + Math.min(reaction.underWay.size + reaction.failing.size, MOST_HELD);
      try {
        const due = reaction.due(limit);
        // What is not on a full list may stand behind it.
        if (due.length < limit) forget(reaction, due);
        for (const piece of due) start(reaction, piece);
      } catch (error) {
        onError(reaction.name, error);
      }
    }
  };

  const soon = (reaction: Running) => {
    if (idle || over) return;
    if (awaiting.size === 0) setImmediate(sweep);
    awaiting.add(reaction);
  };

  const all = () => running.forEach(soon);
  const watch = applied.subscribe({
    next: ({ types }) => {
      for (const reaction of running) if (reaction.after.some((type) => types.has(type))) soon(reaction);
    },
    error() {
      over = true;
    },
  });
  watch.add(time.subscribe(all));
  watch.add(
    onDuty.subscribe((ours) => {
      idle = !ours;
      for (const reaction of running) {
        reaction.inherited = new Set(ours ? reaction.outstanding?.() : []);
        if (idle) reaction.failing.clear();
      }
      if (ours) all();
    }),
  );
  return {
    outboxes: () =>
      running.map(({ name: reaction, underWay, failing, done, failed }) => {
        // Who is not on duty owes nothing: what is under way is for others to do, too.
        const since = idle ? [] : [...[...underWay.values()].map((piece) => piece.since), ...failing.values()];
        return { reaction, due: since.length, oldest: since.length === 0 ? null : Math.min(...since), done, failed };
      }),
    async stop() {
      watch.unsubscribe();
      idle = true;
      let late: NodeJS.Timeout | undefined;
      await Promise.race([
        Promise.all(running.flatMap(({ underWay }) => [...underWay.values()].map(({ ended }) => ended))),
        new Promise<void>((resolve) => {
          late = setTimeout(resolve, TICK_MS);
        }),
      ]);
      clearTimeout(late);
    },
  };
};
