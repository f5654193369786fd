import type { Observable } from 'rxjs';

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
  due(limit: number): readonly Due[];
}

const TICK_MS = 1000;
const AT_ONCE = 200;
const MOST_HELD = 1000;

/** Does what is due, after every change of the read models and every second. What fails is tried again. Returns how to stop. */
export const runReactions = ({
  reactions,
  applied,
  onError,
}: {
  reactions: readonly Reaction[];
  applied: Observable<unknown>;
  onError(reaction: string, error: unknown): void;
}): { stop(): Promise<void> } => {
  const running = reactions.map((reaction) => ({ ...reaction, underWay: new Map<string, Promise<void>>() }));
  let stopped = false;
  let scheduled = false;

  const start = ({ name, underWay }: (typeof running)[number], { key, act }: Due) => {
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
    scheduled = false;
    if (stopped) return;
    for (const reaction of running) {
      // What is under way or failed a moment ago stands first in the list: it must not hide what comes behind it.
      const held = Math.min(reaction.underWay.size, MOST_HELD);
      try {
        for (const piece of reaction.due(AT_ONCE + held)) start(reaction, piece);
      } catch (error) {
        onError(reaction.name, error);
      }
    }
  };

  const soon = () => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(sweep);
  };

  const watch = applied.subscribe({ next: soon, error: () => undefined });
  const tick = setInterval(soon, TICK_MS).unref();
  soon();
  return {
    async stop() {
      stopped = true;
      watch.unsubscribe();
      clearInterval(tick);
      await Promise.race([
        Promise.all(running.flatMap(({ underWay }) => [...underWay.values()])),
        new Promise((resolve) => setTimeout(resolve, TICK_MS)),
      ]);
    },
  };
};
