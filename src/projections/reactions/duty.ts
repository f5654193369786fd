import { defer, from, map, type Observable, of, retry, switchMap } from 'rxjs';

const AGAIN_MS = 1000;

/**
 * On duty only once the read models have seen everything that stood in the log when the duty came: before that they show as due what the former
 * one has done. `latest` resolves when they have, and is asked again until it does.
 */
export const onceCaughtUp = (onDuty: Observable<boolean>, latest: () => Promise<void>): Observable<boolean> => {
  const caughtUp = defer(() => from(latest())).pipe(
    retry({ delay: AGAIN_MS }),
    map(() => true),
  );
  return onDuty.pipe(switchMap((ours) => (ours ? caughtUp : of(false))));
};
