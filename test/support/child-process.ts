import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A process of `test/support/processes` that prints a JSON text on each line. */
export interface Child {
  /** What it has printed so far. A line that it could not finish is none. */
  lines: readonly unknown[];
  /** Resolves when it has printed so many lines; rejects when it ends before. */
  printed(count: number): Promise<void>;
  /** kill -9; resolves when the process is gone and all that it printed is there. */
  kill(): Promise<void>;
  /** Resolves when it has ended by itself. */
  ended(): Promise<void>;
}

/** Starts one by its name. `fileSizeLimit` is the most that any of its files may grow to, in blocks of 512 bytes: writing more fails. */
export const startProcess = (name: string, args: readonly string[], { fileSizeLimit }: { fileSizeLimit?: number } = {}): Child => {
  const script = fileURLToPath(new URL(`processes/${name}.ts`, import.meta.url));
  const command = [process.execPath, '--disable-warning=ExperimentalWarning', script, ...args];
  const limited = fileSizeLimit === undefined ? command : ['sh', '-c', 'ulimit -f "$0" && exec "$@"', String(fileSizeLimit), ...command];
  const child = spawn(limited[0] as string, limited.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: unknown[] = [];
  let unfinished = '';
  const stdout = child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (unfinished + chunk).split('\n');
    unfinished = parts.pop() ?? '';
    lines.push(...parts.map((line) => JSON.parse(line)));
  });
  let isGone = false;
  const gone = once(child, 'close').then(() => {
    isGone = true;
  });
  return {
    lines,
    async printed(count) {
      while (lines.length < count && !isGone) await Promise.race([once(stdout, 'data'), gone]);
      if (lines.length < count) throw new Error(`${name} ended after ${lines.length} lines`);
    },
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
    ended: () => gone,
  };
};
