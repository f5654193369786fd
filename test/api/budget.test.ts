import { expect, test } from '@jest/globals';
import { makeBudget } from '../../src/api/budget.ts';
import { standingClock } from '../support/clock.ts';

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

test('a budget keeps as many keys as it may, and forgets the first for the next', () => {
  const budget = makeBudget({ count: 1, seconds: 60, clock: () => 0, most: 3 });
  expect(['a', 'b', 'c', 'b', 'd'].map((key) => budget.spend(key))).toEqual([true, true, true, false, true]);
  expect(['b', 'c', 'd', 'a'].map((key) => budget.spend(key))).toEqual([false, false, false, true]);
});
