import type { Logger } from 'pino';
import type { Engine, Ports } from '../engine.ts';

/**
 * Rejects when the engine cannot go on. An event of a newer version is no reason to end: the node answers nothing any more but how it is, and
 * leaves what is due to others. It says so once: of workers nothing is logged, for their owner does.
 */
export const failureOf = (engine: Engine, { log, leaveDuty }: { log: Logger | null } & Pick<Ports, 'leaveDuty'>): Promise<never> => {
  const stopped = new Promise<never>((_, reject) => engine.projections.applied.subscribe({ error: reject }));
  const failed = stopped.catch((failure) => {
    const unreadable = engine.health.halted();
    if (unreadable === null) throw failure;
    const { type, version, position } = unreadable.event;
    log?.fatal({ type, version, position }, `${unreadable.message}: it answers nothing until it is updated`);
    leaveDuty?.();
    return new Promise<never>(() => undefined);
  });
  failed.catch(() => undefined);
  return failed;
};
