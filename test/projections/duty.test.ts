import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { BehaviorSubject } from 'rxjs';
import { StoreBusy, StoreStopped, StoreUnavailable } from '../../src/domain/ports/event-store.ts';
import { onceCaughtUp } from '../../src/projections/reactions/duty.ts';
import { untilKept } from '../../src/projections/reactions/until-kept.ts';

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
});
afterEach(() => {
  jest.useRealTimers();
});
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('who comes on duty', () => {
  const watched = (latest: () => Promise<void>) => {
    const duty = new BehaviorSubject(false);
    const seen: boolean[] = [];
    onceCaughtUp(duty, latest).subscribe((ours) => seen.push(ours));
    return { duty, seen };
  };

  test('begins when the read models have seen what the former one has recorded', async () => {
    const caughtUp = Promise.withResolvers<void>();
    const { duty, seen } = watched(() => caughtUp.promise);
    duty.next(true);
    await settled();
    expect(seen).toEqual([false]);
    caughtUp.resolve();
    await settled();
    expect(seen).toEqual([false, true]);
    duty.next(false);
    expect(seen).toEqual([false, true, false]);
  });

  test('asks again while the store is away', async () => {
    let away = 3;
    const { duty, seen } = watched(async () => {
      away -= 1;
      if (away >= 0) throw new StoreUnavailable();
    });
    duty.next(true);
    for (let second = 0; second < 3; second += 1) {
      await settled();
      expect(seen).toEqual([false]);
      await jest.advanceTimersByTimeAsync(1000);
    }
    await settled();
    expect(seen).toEqual([false, true]);
  });

  test('does not begin when the duty has gone before', async () => {
    const caughtUp = Promise.withResolvers<void>();
    const { duty, seen } = watched(() => caughtUp.promise);
    duty.next(true);
    duty.next(false);
    caughtUp.resolve();
    await settled();
    expect(seen).toEqual([false, false]);
  });
});

describe('what was done outside', () => {
  test('is recorded as soon as the store takes it', async () => {
    const failures: Error[] = [new StoreUnavailable(), new StoreBusy()];
    const calls: boolean[] = [];
    const kept = untilKept(async (again) => {
      calls.push(again);
      const failure = failures.shift();
      if (failure !== undefined) throw failure;
      return 'kept';
    });
    await settled();
    expect(calls).toEqual([false]);
    await jest.advanceTimersByTimeAsync(1000);
    expect([await kept, calls]).toEqual(['kept', [false, true, true]]);
  });

  test('is not recorded by a store that has stopped', () =>
    expect(untilKept(() => Promise.reject(new StoreStopped('it was closed')))).rejects.toThrow(StoreStopped));
});
