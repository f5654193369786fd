import type { Config } from '../config.ts';
import type { CatchUp } from '../projections/catch-up.ts';
import { serve } from '../serve.ts';
import { banner } from './banner.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Serves until a signal comes, or until the engine cannot go on. A second signal stops at once, and so does one that comes before all
 * of it serves; SIGUSR2 publishes new signing keys.
 */
export const serveUntilStopped = async (config: Config, onCatchUp?: (progress: CatchUp) => void): Promise<void> => {
  // Not all of it serves yet, and whatever was begun bears a kill -9: it ends as it is.
  let stop: () => void = () => process.exit();
  for (const signal of SIGNALS) process.on(signal, () => stop());
  const serving = await serve(config, { say: console.log, onCatchUp });
  const rotate = () =>
    serving.engine.rotateSigningKeys({ kind: 'operator', id: 'signal' }).catch((error) => console.error('countersign:', error));
  process.on('SIGUSR2', rotate);
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  // Whoever reads that it serves may stop it at once.
  console.log(banner(config, serving));
  try {
    await Promise.race([stopped, serving.failed]);
  } catch (error) {
    console.error('countersign: the engine cannot go on and stops', error);
    process.exit(1);
  }
  stop = () => process.exit(1);
  process.off('SIGUSR2', rotate);
  await serving.close();
};
