import { Subject } from 'rxjs';
import type { LogWriter } from '../../adapters/event-store/sqlite-shared.ts';
import { remoteLimits } from '../../adapters/limits/remote.ts';
import type { Config } from '../../config.ts';
import { UnreadableEvent } from '../../domain/events.ts';
import type { Appended } from '../../domain/ports/event-store.ts';
import type { Limits } from '../../domain/ports/limits.ts';
import { type Applied, makeReached, ProjectionStopped, type Projections } from '../../projections/runner.ts';
import { APPEND, type AskOwner, makeAsking } from './asking.ts';
import type { FromOwner, FromWorker } from './messages.ts';

/** The process that started this one: it writes the log and the rows, and does what the log owes the world. */
export interface Owner {
  config: Config;
  log: LogWriter;
  limits: Limits;
  /** How far it is with the rows. Whatever a question led to is told before its answer. */
  following: Projections;
  /** Calls a function of it. */
  ask: AskOwner;
  /** Resolves when this process is to stop. */
  stopped: Promise<void>;
  say(message: FromWorker): void;
}

/** Joins the process that started this one as a worker. When that one dies, this one ends at once: the cluster module sees to it. */
export const joinOwner = async (): Promise<Owner> => {
  const say = (message: FromWorker) => void process.send?.(message);
  const { ask, answered } = makeAsking((asks) => say({ asks }));
  const applied = new Subject<Applied>();
  const begun = Promise.withResolvers<Config>();
  const stopped = Promise.withResolvers<void>();
  let at = 0;

  process.on('message', (message: FromOwner) => {
    if ('begin' in message) {
      at = message.begin.position;
      begun.resolve(message.begin.config);
    } else if ('stop' in message) stopped.resolve();
    else if ('halted' in message)
      applied.error(new ProjectionStopped(message.halted.position, { cause: new UnreadableEvent(message.halted) }));
    else {
      const { news, answers } = message;
      if (news !== null) {
        at = news.position;
        const events = news.events.map(([stream, type, recordedAt]) => ({ stream, type, recordedAt }));
        applied.next({ position: at, events, types: new Set(events.map(({ type }) => type)) });
      }
      answered(answers);
    }
  });
  say({ joined: true });

  return {
    config: await begun.promise,
    log: { append: (...args) => ask(APPEND, args) as Promise<Appended>, commits: applied },
    limits: remoteLimits(ask),
    following: {
      caughtUp: Promise.resolve(),
      position: () => at,
      reached: makeReached(() => at, applied),
      applied,
      stop: () => applied.complete(),
    },
    ask,
    stopped: stopped.promise,
    say,
  };
};
