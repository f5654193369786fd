import { LogInUse } from '../adapters/event-store/sqlite.ts';
import { ConfigError, loadConfig } from '../config.ts';
import { serve } from '../serve.ts';
import { banner } from './banner.ts';

/** Serves until a signal comes, or until it cannot go on. A second signal stops at once. */
export const serveCommand = async ({ config: file }: { config?: string }): Promise<void> => {
  try {
    const { config } = loadConfig({ file, env: process.env, cwd: process.cwd() });
    const serving = await serve(config, { say: console.log });
    console.log(banner(config, serving));
    const stop = new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    });
    await Promise.race([stop, serving.failed]);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
    await serving.close();
  } catch (error) {
    // What an operator can mend is one line each; anything else is ours, and comes whole.
    console.error(error instanceof ConfigError || error instanceof LogInUse ? `countersign: ${error.message}` : error);
    process.exitCode = 1;
    if (!(error instanceof ConfigError)) process.exit(1);
  }
};
