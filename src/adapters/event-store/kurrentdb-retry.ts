import { setTimeout as pause } from 'node:timers/promises';
import { StoreUnavailable } from '../../domain/ports/event-store.ts';

/** A call did not get as far as a node, or no answer came. */
export class Unreachable extends Error {
  constructor(options?: ErrorOptions) {
    super('no node of the event store could be reached', options);
    this.name = 'Unreachable';
  }
}

// INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION, UNIMPLEMENTED, UNAUTHENTICATED: it will not be otherwise next time.
const REFUSALS: readonly unknown[] = [3, 5, 7, 9, 12, 16];
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1000;

/** The gRPC status of an error, if it is one of a call. */
export const statusOf = (error: unknown): number | undefined => {
  const { code } = error as { code?: unknown };
  return typeof code === 'number' ? code : undefined;
};

/** What a node calls its refusal, in its trailers; undefined where it says nothing. */
export const exceptionOf = (error: unknown): unknown =>
  (error as { metadata?: { get?(name: string): unknown[] } }).metadata?.get?.('exception')[0];

/** Whether the same call may succeed later: the node was gone, slow, not ready, or not the leader (any more). */
export const mayPass = (error: unknown): boolean => {
  if (error instanceof Unreachable) return true;
  if (exceptionOf(error) === 'not-leader') return true;
  const status = statusOf(error);
  return status !== undefined && !REFUSALS.includes(status);
};

/** How long to wait before the next attempt: twice as long each time, and never as long as the others who wait. */
export const pauseBefore = (attempt: number): number =>
  Math.min(FIRST_PAUSE_MS * 2 ** attempt, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2);

/** Tries until it succeeds, is refused, or the moment has passed: then `StoreUnavailable`. */
export const retried = async <T>(until: number, attempt: () => Promise<T>): Promise<T> => {
  let cause: unknown;
  for (let failures = 0; Date.now() < until; failures += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!mayPass(error)) throw error;
      cause = error;
      await pause(pauseBefore(failures));
    }
  }
  throw new StoreUnavailable({ cause });
};
