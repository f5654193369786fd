import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Served } from '../support/served.ts';

const EXAMPLES = join(import.meta.dirname, '../../examples');

/** An example that runs. */
export interface Example {
  /** Resolves when it has printed a text; rejects when it ends before. */
  printed(wanted: string): Promise<void>;
  /** All that it has printed, once it has ended well; rejects otherwise. */
  ended: Promise<string>;
}

/** Runs the examples against an engine: their file, their arguments, and what else their environment holds. */
export const examplesAgainst = ({ config: { issuer, dataDir } }: Served) => {
  const env = { ISSUER: issuer, DATA_DIR: dataDir, NODE_EXTRA_CA_CERTS: join(dataDir, 'tls/ca.pem') };
  return (file: string, args: readonly string[] = [], more: Record<string, string> = {}): Example => {
    const program = file.endsWith('.ts') ? process.execPath : 'bash';
    const child = spawn(program, [join(EXAMPLES, file), ...args], { env: { ...process.env, ...env, ...more } });
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
    const ended = once(child, 'close').then(([code]) => {
      if (code !== 0) throw new Error(`${file} ended with ${code}: ${text}`);
      return text;
    });
    ended.catch(() => undefined);
    const over = ended.then(() => {
      throw new Error(`${file} has ended: ${text}`);
    });
    over.catch(() => undefined);
    return {
      ended,
      async printed(wanted) {
        while (!text.includes(wanted)) await Promise.race([once(child.stdout, 'data'), over]);
      },
    };
  };
};
