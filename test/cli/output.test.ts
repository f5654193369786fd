import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Subject } from 'rxjs';
import { bar, showCatchUp } from '../../src/cli/output.ts';
import { tellCatchUp } from '../../src/projections/catch-up.ts';
import type { Applied, Projections } from '../../src/projections/runner.ts';

test('a bar shows how much is done and what is left', () => {
  const shown = bar({ done: 500_000, total: 1_000_000, eventsPerSecond: 100_000, secondsLeft: 5 });
  expect(shown).toBe(`read models ${'█'.repeat(15)}${'░'.repeat(15)} 50 %, 500,000 of 1,000,000, 100,000 events/s, 5 s left`);
  expect(bar({ done: 0, total: 0, eventsPerSecond: 0, secondsLeft: 0 })).toContain('100 %');
});

describe('read models that catch up tell every second how far they are, and at the end', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  /** They stand at 1000 of 5000; each page has 500 events and takes so long. */
  const catchingUp = async (output: 'terminal' | 'elsewhere', pageMs: number): Promise<string[]> => {
    const told: string[] = [];
    const print = (line: string) => void told.push(line);
    const applied = new Subject<Applied>();
    const caughtUp = Promise.withResolvers<void>();
    let at = 1000;
    const running = { applied, caughtUp: caughtUp.promise, position: () => at } as unknown as Projections;
    tellCatchUp(running, 5000, showCatchUp({ print, progress: output === 'terminal' ? print : null }));
    while (at < 5000) {
      jest.advanceTimersByTime(pageMs);
      at += 500;
      applied.next({ position: at, events: Array(500), types: new Set() });
    }
    caughtUp.resolve();
    await jest.advanceTimersByTimeAsync(0);
    expect(applied.observed).toBe(false);
    return told;
  };

  test('by a bar on a terminal, which ends with its line', async () => {
    expect(await catchingUp('terminal', 500)).toEqual([
      bar({ done: 2000, total: 5000, eventsPerSecond: 1000, secondsLeft: 3 }),
      bar({ done: 3000, total: 5000, eventsPerSecond: 1000, secondsLeft: 2 }),
      bar({ done: 4000, total: 5000, eventsPerSecond: 1000, secondsLeft: 1 }),
      `${bar({ done: 5000, total: 5000, eventsPerSecond: 1000, secondsLeft: 0 })}\n`,
    ]);
  });

  test('by JSON lines elsewhere', async () => {
    expect(await catchingUp('elsewhere', 250)).toEqual([
      '{"catchUp":{"done":3000,"total":5000,"eventsPerSecond":2000,"secondsLeft":1}}',
      '{"catchUp":{"done":5000,"total":5000,"eventsPerSecond":2000,"secondsLeft":0}}',
    ]);
  });

  test('unless that takes less than a second', async () => {
    for (const output of ['terminal', 'elsewhere'] as const) expect(await catchingUp(output, 100)).toEqual([]);
  });
});
