import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

const MAIN = join(import.meta.dirname, '../../src/main.ts');

/** Starts the server as a process of its own; `serves` resolves when it does, and rejects when it ends before. */
export const spawnServer = (env: Record<string, string>): { process: ChildProcess; serves: Promise<void> } => {
  const server = spawn(process.execPath, [MAIN], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  const serves = new Promise<void>((resolve, reject) => {
    server.stdout.on('data', (text: Buffer) => text.includes('Countersign serves') && resolve());
    server.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
  return { process: server, serves };
};

/** The same; resolves when it serves. */
export const startServer = async (env: Record<string, string>): Promise<ChildProcess> => {
  const { process, serves } = spawnServer(env);
  await serves;
  return process;
};

/** kill -9; resolves when the process is gone. */
export const killServer = (server: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    server.once('exit', () => resolve());
    server.kill('SIGKILL');
  });
