import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

const MAIN = join(import.meta.dirname, '../../src/main.ts');

/** Starts the server as a process of its own; resolves when it serves, and rejects when it ends before. */
export const startServer = (env: Record<string, string>): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    const server = spawn(process.execPath, [MAIN], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
    server.stdout.on('data', (text: Buffer) => text.includes('Countersign serves') && resolve(server));
    server.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });

/** kill -9; resolves when the process is gone. */
export const killServer = (server: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    server.once('exit', () => resolve());
    server.kill('SIGKILL');
  });
