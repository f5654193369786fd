import { expect, test } from '@jest/globals';
import { localLimits } from '../../src/adapters/limits/local.ts';
import type { BudgetTerms } from '../../src/domain/ports/limits.ts';
import { standingClock } from '../support/clock.ts';

const makeBudget = ({ clock, ...terms }: BudgetTerms & { clock: () => number }) =>
  localLimits(':memory:', { clock }).budget('tries', terms);

test('a budget gives each key its count, and all of it again when the time is over', () => {
  const { clock, pass } = standingClock();
  const budget = makeBudget({ count: 2, seconds: 60, clock });
  expect(['a', 'a', 'a', 'b'].map((key) => budget.spend(key))).toEqual([true, true, false, true]);
  pass(59);
  expect(budget.spend('a')).toBe(false);
  pass(1);
  expect(budget.spend('a')).toBe(true);
});

test('a budget takes back what was not used', () => {
  const budget = makeBudget({ count: 1, seconds: 60, clock: () => 0 });
  expect(budget.spend('a')).toBe(true);
  budget.refund('a');
  budget.refund('a');
  budget.refund('unknown');
  expect([budget.spend('a'), budget.spend('a')]).toEqual([true, false]);
});

test('a budget forgets nobody before their time, however many there are', () => {
  const { clock, pass } = standingClock();
  const budget = makeBudget({ count: 1, seconds: 60, clock });
  budget.spend('first');
  for (let key = 0; key < 5000; key += 1) budget.spend(`${key}`);
  expect(budget.spend('first')).toBe(false);
  pass(60);
  expect(budget.spend('first')).toBe(true);
});

test('a budget forgets what is over before it forgets what is not', () => {
  const { clock, pass } = standingClock();
  const budget = makeBudget({ count: 1, seconds: 60, clock, most: 20 });
  for (const key of ['anew', ...Array.from({ length: 18 }, (_, n) => `old-${n}`)]) budget.spend(key);
  pass(60);
  expect([budget.spend('anew'), budget.spend('anew')]).toEqual([true, false]);
  for (const key of ['x', 'y', 'z']) budget.spend(key);
  expect(budget.spend('anew')).toBe(false);
});

test('a budget that is full forgets the oldest, and one that began anew is none of them', () => {
  const { clock, pass } = standingClock();
  const budget = makeBudget({ count: 1, seconds: 60, clock, most: 10 });
  budget.spend('anew');
  pass(30);
  for (let n = 0; n < 9; n += 1) budget.spend(`old-${n}`);
  pass(30);
  budget.spend('anew');
  budget.spend('next');
  expect([budget.spend('anew'), budget.spend('old-0')]).toEqual([false, true]);
});

test('a budget keeps as many keys as it may, and forgets the first for the next', () => {
  const budget = makeBudget({ count: 1, seconds: 60, clock: () => 0, most: 3 });
  expect(['a', 'b', 'c', 'b', 'd'].map((key) => budget.spend(key))).toEqual([true, true, true, false, true]);
  expect(['b', 'c', 'd', 'a'].map((key) => budget.spend(key))).toEqual([false, false, false, true]);
});
