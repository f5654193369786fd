import cluster, { type Worker } from 'node:cluster';
import { extname, join } from 'node:path';
import type { Config } from '../../config.ts';
import type { DomainEvent } from '../../domain/catalogue.ts';
import { UnreadableEvent } from '../../domain/events.ts';
import type { EventStore } from '../../domain/ports/event-store.ts';
import type { Projections } from '../../projections/runner.ts';
import { APPEND, type AskOwner, answerTo, together } from './asking.ts';
import type { Answer, FromOwner, FromWorker, News } from './messages.ts';

const WORKER = join(import.meta.dirname, `process${extname(import.meta.filename)}`);
// One that ends sooner is started again after 100 ms, 200 ms … and at last every 10 s.
const STEADY_MS = 10_000;
const AGAIN_MS = 100;
const AGAIN_MOST_MS = 10_000;
// A worker that has left so many messages lying hangs: what it does not hear would fill the memory of this process.
const MOST_UNHEARD = 10_000;
// A worker gives its connections five seconds to finish, once its listeners are closed.
const STOP_MS = 8000;

/** Answers what workers ask besides for appends. No two have the same number, not one after the other either. */
export type AnswerWorker = (worker: number, ...asked: Parameters<AskOwner>) => Promise<unknown>;

/** The workers of an engine. */
export interface Workers {
  /** Whether one of them takes calls. */
  listen(): boolean;
  /** Each finishes what it has begun. */
  stop(): Promise<void>;
}

type Halted = Extract<FromOwner, { halted: unknown }>;
/** What a worker is told of. */
type Item = News | { answer: Answer } | Halted;

interface Deps {
  store: EventStore;
  projections: Projections;
  answer: AnswerWorker;
  /** Is told when one has ended. */
  onEnd(worker: number): void;
  onFault(what: string, error: unknown): void;
}

/**
 * Starts the workers, which listen for this process, and resolves when each of them does. From then on one that dies is replaced.
 */
export const startWorkers = async (config: Config, { store, projections, answer, onEnd, onFault }: Deps): Promise<Workers> => {
  const settings = settingsOfWorkers(config);
  const joined = new Map<Worker, (item: Item, canWait: boolean) => void>();
  const listening = new Set<Worker>();
  const ended = new Map<Worker, Promise<void>>();
  const waiting = new Set<NodeJS.Timeout>();
  let halted: Halted | null = null;
  let stopping = false;

  const callOf =
    ({ id }: Worker): AskOwner =>
    (method, args) =>
      method === APPEND ? store.append(...(args as Parameters<EventStore['append']>)) : answer(id, method, args);

  const heard = projections.applied.subscribe({
    next({ position, events }) {
      // Every event that was applied is one of the catalogue.
      const news: News = {
        position,
        events: events.map(({ stream, type, recordedAt }) => [stream, type as DomainEvent['type'], recordedAt]),
      };
      for (const tell of joined.values()) tell(news, true);
    },
    error({ cause }: Error) {
      // Whatever else has stopped them ends this process, and so its workers.
      if (!(cause instanceof UnreadableEvent)) return;
      halted = { halted: cause.event };
      for (const tell of joined.values()) tell(halted, true);
    },
  });

  const join = (worker: Worker) => {
    const send = sending(worker);
    const tell = together<Item>((items) => {
      let news: News | null = null;
      const answers: Answer[] = [];
      let last: Halted | null = null;
      for (const item of items)
        if ('answer' in item) answers.push(item.answer);
        else if ('halted' in item) last = item;
        else news = news === null ? item : { position: item.position, events: [...news.events, ...item.events] };
      send({ news, answers });
      if (last !== null) send(last);
    });
    joined.set(worker, tell);
    send({ begin: { config: settings, position: projections.position() } });
    if (halted !== null) send(halted);
  };

  /** Resolves when it listens, and rejects when it ends before. */
  const start = (failures: number): Promise<void> => {
    const began = performance.now();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const failed = (error: unknown) => {
      reject(error);
      if (stopping) return;
      onFault('worker', error);
      replace(performance.now() - began > STEADY_MS ? 0 : failures + 1);
    };
    let worker: Worker;
    try {
      worker = cluster.fork();
    } catch (error) {
      failed(error);
      return promise;
    }
    let reason: string | null = null;
    const call = callOf(worker);
    worker.on('message', (message: FromWorker) => {
      // What comes of one that has ended is too late: its counts are in the sums.
      if (!ended.has(worker)) return;
      if ('joined' in message) join(worker);
      else if ('listening' in message) {
        listening.add(worker);
        resolve();
      } else if ('failed' in message) reason = message.failed;
      else for (const ask of message.asks) void answerTo(ask, call).then((answer) => joined.get(worker)?.({ answer }, ask[1] !== APPEND));
    });
    const end = Promise.withResolvers<void>();
    ended.set(worker, end.promise);
    const gone = (error: Error) => {
      joined.delete(worker);
      listening.delete(worker);
      ended.delete(worker);
      onEnd(worker.id);
      end.resolve();
      failed(error);
    };
    worker.once('exit', (code, signal) => gone(new Error(reason ?? `a worker ended with ${signal ?? code}`)));
    worker.on('error', (error) => {
      // One that the system refused has no exit; one that cannot be spoken to any more shall have its own.
      if (worker.process.pid === undefined) gone(error);
      else worker.process.kill('SIGKILL');
    });
    return promise;
  };

  const replace = (failures: number) => {
    const pause = failures === 0 ? 0 : Math.min(AGAIN_MS * 2 ** (failures - 1), AGAIN_MOST_MS);
    const timer = setTimeout(() => {
      waiting.delete(timer);
      start(failures).catch(() => undefined);
    }, pause);
    waiting.add(timer);
  };

  const kill = () => {
    for (const worker of ended.keys()) worker.process.kill('SIGKILL');
  };

  const stop = async () => {
    stopping = true;
    for (const timer of waiting) clearTimeout(timer);
    for (const worker of ended.keys())
      if (joined.has(worker)) sending(worker)({ stop: true });
      // It serves nobody yet.
      else worker.process.kill('SIGKILL');
    const late = setTimeout(kill, config.operator.drainSeconds * 1000 + STOP_MS);
    await Promise.all(ended.values());
    clearTimeout(late);
    heard.unsubscribe();
    process.off('exit', kill);
  };

  cluster.setupPrimary({ exec: WORKER, args: [] });
  process.on('exit', kill);
  try {
    await Promise.all(Array.from({ length: config.server.workers }, () => start(0)));
  } catch (error) {
    await stop();
    throw error;
  }
  return { listen: () => listening.size > 0, stop };
};

/** The settings of each worker: what one process may hold at once is divided among them, so that each refuses in order before the owner does. */
export const settingsOfWorkers = (config: Config): Config => {
  const share = (most: number) => Math.ceil(most / config.server.workers);
  const { appends, longPolls } = config.limits;
  return { ...config, limits: { ...config.limits, appends: share(appends), longPolls: share(longPolls) } };
};

const sending = (worker: Worker): ((message: FromOwner) => void) => {
  let unheard = 0;
  return (message) => {
    unheard += 1;
    if (unheard > MOST_UNHEARD) worker.process.kill('SIGKILL');
    worker.send(message, () => {
      unheard -= 1;
    });
  };
};
