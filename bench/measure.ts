import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Job, Run } from './load.ts';
import { type Target, targetOf } from './target.ts';

/** How much is measured, and where. */
export interface How {
  /** It is there as long as the bench runs, on the disk that the durable stores write to. */
  folder: string;
  rounds: number;
  seconds: number;
  /** V8 takes seconds to optimise a server. */
  warmUpSeconds: number;
  connections: number;
  quick: boolean;
}

/** One measurement. */
export interface Measurement {
  /** What `--only` names it by. */
  name: string;
  /** Measures, and gives what was found in Markdown; nothing where it cannot be measured. */
  run(how: How): Promise<string>;
}

/** What is measured has a core of its own, and so has what drives it, or what it asks. */
export const SERVER_CORE = 0;
export const LOAD_CORE = 1;

/** An empty folder for the files of one process. */
export const newFolder = ({ folder }: Pick<How, 'folder'>): string => mkdtempSync(join(folder, 'data-'));

const START_SECONDS = 60;

/** Whether processes can be held on cores of their own. */
export const CAN_PIN = availableParallelism() > 1 && spawnSync('taskset', ['-V']).status === 0;

/** A file of this folder, running. `ready` is what it printed after that word. */
export interface Running {
  ready: string;
  /** One question at a time. Throws what the process could not do, or that it ended. */
  ask<T>(question: string, argument?: unknown): Promise<T>;
  stop(): Promise<void>;
}

/** Starts a file, on this core or on any, and waits for its line `ready …`. */
const start = async (file: string, args: readonly string[], core: number | null, env: NodeJS.ProcessEnv = {}): Promise<Running> => {
  const node = [process.execPath, '--expose-gc', '--disable-warning=ExperimentalWarning', join(import.meta.dirname, file), ...args];
  const [command = '', ...rest] = CAN_PIN && core !== null ? ['taskset', '-c', `${core}`, ...node] : node;
  const child = spawn(command, rest, {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { ...process.env, NODE_ENV: 'production', ...env },
  });
  const gone = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`${file} ended (${signal ?? code})`);
  });
  gone.catch(() => {}); // It is waited for below, or wanted.
  return {
    ready: await Promise.race([readyLine(child, file), gone]),
    async ask<T>(question: string, argument?: unknown) {
      child.send({ question, argument });
      const [{ answer, error }] = await Promise.race([once(child, 'message'), gone]);
      if (error) throw new Error(`${file}, ${question}: ${error}`);
      return answer as T;
    },
    async stop() {
      child.kill();
      await gone.catch(() => {});
    },
  };
};

export type Start = typeof start;

/** Lends a way to start files to what needs them; they are all stopped when it is done. */
export const withStarted = async <T>(use: (started: Start) => Promise<T>): Promise<T> => {
  const running: Running[] = [];
  try {
    return await use(async (...args) => {
      const process = await start(...args);
      running.push(process);
      return process;
    });
  } finally {
    await Promise.all(running.map((process) => process.stop()));
  }
};

const readyLine = (child: ChildProcess, file: string): Promise<string> =>
  new Promise((resolve, reject) => {
    if (!child.stdout) throw new Error('no stdout');
    const late = setTimeout(() => {
      child.kill();
      reject(new Error(`${file} was not ready within ${START_SECONDS} s`));
    }, START_SECONDS * 1000).unref();
    createInterface(child.stdout).on('line', (line) => {
      if (!line.startsWith('ready')) return;
      clearTimeout(late);
      resolve(line.slice('ready '.length));
    });
  });

/** A window of a load, and the CPU of an operation at its server. */
export type Sample = Run & { cpuMicros: number };

const WAKE_UP_SECONDS = 0.5;

/** Measures one window, after a short one that only wakes both up. */
export const measureWindow = async (server: Running, load: Running, seconds: number): Promise<Sample> => {
  await load.ask<Run>('run', { seconds: WAKE_UP_SECONDS });
  const before = await server.ask<number>('cpu');
  const run = await load.ask<Run>('run', { seconds });
  const after = await server.ask<number>('cpu');
  return { ...run, cpuMicros: (after - before) / run.operations };
};

/** Starts a load that is prepared to drive this server. */
export const startLoad = async (started: Start, { ready }: Running, core: number | null, job: Omit<Job, 'target'>): Promise<Running> => {
  const load = await started('load.ts', [], core);
  await load.ask('prepare', { ...job, target: targetOf(ready) } satisfies Job);
  return load;
};

/** Starts a server and the load of a client with a secret, warms them up, and gives how one window is measured. */
export const serving = async (
  started: Start,
  how: How,
  { file, args, pinned }: { file: string; args: readonly string[]; pinned: boolean },
  work: Pick<Job, 'scenario' | 'outstanding'>,
): Promise<() => Promise<Sample>> => {
  const server = await started(file, ['--data', newFolder(how), ...args], pinned ? SERVER_CORE : null);
  const job = { ...work, client: 'secret' as const, connections: how.connections, notification: null, filled: 0 };
  const load = await startLoad(started, server, pinned ? LOAD_CORE : null, job);
  await load.ask<Run>('run', { seconds: how.warmUpSeconds });
  return () => measureWindow(server, load, how.seconds);
};

/** A port of this machine that nobody listens on. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
};

/** In a started file: answers the runner's questions, and ends with the runner. */
export const answerRunner = (answers: Record<string, (argument: never) => unknown>): void => {
  process.on('message', async ({ question, argument }: { question: string; argument: never }) => {
    try {
      process.send?.({ answer: await answers[question]?.(argument) });
    } catch (error) {
      process.send?.({ error: (error as Error).stack });
    }
  });
  process.on('disconnect', () => process.exit());
};

/** In a server under test, once it listens. */
export const announce = (port: number, target: Target, more: Parameters<typeof answerRunner>[0] = {}): void => {
  answerRunner({ cpu, memory, ...more });
  console.log(`ready ${port} ${JSON.stringify(target)}`);
};

/** Microseconds of all threads of this process since its start. */
export const cpu = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/** Bytes that are still in use after garbage collection. */
export interface Memory {
  heap: number;
  rss: number;
}

const memory = async (): Promise<Memory> => {
  // The second collection takes what finalizers of the first let go.
  for (let times = 0; times < 2; times += 1) {
    globalThis.gc?.();
    await nextTurn();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, rss };
};
