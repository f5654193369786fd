import { defer, lastValueFrom, retry, throwError, timer } from 'rxjs';
import { StoreBusy, StoreUnavailable } from '../../domain/ports/event-store.ts';

const AGAIN_MS = 500;

/**
 * Records what was done outside, and waits for the store to take it: what is not recorded would be done again. `again` says that it may have been
 * kept by a call before.
 */
export const untilKept = <T>(record: (again: boolean) => Promise<T>): Promise<T> => {
  let calls = 0;
  const call = () => {
    calls += 1;
    return record(calls > 1);
  };
  const isAway = (error: unknown) => error instanceof StoreUnavailable || error instanceof StoreBusy;
  const again = (error: unknown) => (isAway(error) ? timer(AGAIN_MS) : throwError(() => error));
  return lastValueFrom(defer(call).pipe(retry({ delay: again })));
};
