import { serve } from '../../serve.ts';
import { joinOwner } from './link.ts';

// What serves for an engine with `--workers`. The owner starts it and stops it: signals that go to the whole group are the owner's.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGUSR2'] as const) process.on(signal, () => undefined);
const owner = await joinOwner();
try {
  const serving = await serve(owner.config, { say: () => undefined, owner });
  owner.say({ listening: true });
  await owner.stopped;
  await serving.close();
  process.exit(0);
} catch (error) {
  process.send?.({ failed: error instanceof Error ? error.message : String(error) }, () => process.exit(1));
}
