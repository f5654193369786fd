import { Observable, of } from 'rxjs';
import type { DomainEvent } from '../../domain/catalogue.ts';
import type { Applied } from '../runner.ts';

/** One piece of work that the log owes the world, as a read model shows it. */
export interface Due {
  /** The same for the same piece of work. */
  key: string;
  /** Does it and records that it was done, which takes it off the list. Done twice it must record nothing new. */
  act(): Promise<unknown>;
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
}

const TICK_MS = 1000;
const AT_ONCE = 200;
const MOST_HELD = 1000;

const seconds = new Observable<void>((subscriber) => {
  const timer = setInterval(() => subscriber.next(), TICK_MS).unref();
  return () => clearInterval(timer);
});

/** Does what is due while on duty, after every event that concerns it and every second. What fails is tried again. Returns how to stop. */
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
}): { stop(): Promise<void> } => {
  const running = reactions.map((reaction) => ({ ...reaction, underWay: new Map<string, Promise<void>>() }));
  type Running = (typeof running)[number];
  const awaiting = new Set<Running>();
  let idle = true;

  const start = ({ name, underWay }: Running, { key, act }: Due) => {
    if (underWay.has(key)) return;
    const done = act()
      .catch((error: unknown) => {
        onError(name, error);
        return new Promise<void>((resolve) => setTimeout(resolve, TICK_MS).unref());
      })
      .then(() => void underWay.delete(key));
    underWay.set(key, done);
  };

  const sweep = () => {
    const looking = running.filter((reaction) => awaiting.has(reaction));
    awaiting.clear();
    if (idle) return;
    for (const reaction of looking) {
      // What is under way or failed a moment ago stands first in the list: it must not hide what comes behind it.
      const held = Math.min(reaction.underWay.size, MOST_HELD);
      try {
        for (const piece of reaction.due(AT_ONCE + held)) start(reaction, piece);
      } catch (error) {
        onError(reaction.name, error);
      }
    }
  };

  const soon = (reaction: Running) => {
    if (idle) return;
    if (awaiting.size === 0) setImmediate(sweep);
    awaiting.add(reaction);
  };

  const all = () => running.forEach(soon);
  const watch = applied.subscribe({
    next: ({ types }) => {
      for (const reaction of running) if (reaction.after.some((type) => types.has(type))) soon(reaction);
    },
    error: () => undefined,
  });
  watch.add(time.subscribe(all));
  watch.add(
    onDuty.subscribe((ours) => {
      idle = !ours;
      if (ours) all();
    }),
  );
  return {
    async stop() {
      watch.unsubscribe();
      idle = true;
      await Promise.race([
        Promise.all(running.flatMap(({ underWay }) => [...underWay.values()])),
        new Promise((resolve) => setTimeout(resolve, TICK_MS)),
      ]);
    },
  };
};
