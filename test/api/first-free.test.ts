import { expect, test } from '@jest/globals';
import { firstFree } from '../../src/api/first-free.ts';

test('the first free number is found', async () => {
  for (let taken = 0; taken < 100; taken += 1) expect(await firstFree(async (number) => number < taken)).toBe(taken);
});

test('a thousand times as many that are taken cost a few questions more', async () => {
  const asked: number[] = [];
  expect(
    await firstFree(async (number) => {
      asked.push(number);
      return number < 1_000_000;
    }),
  ).toBe(1_000_000);
  expect(asked.length).toBeLessThan(50);
});

test('where nothing is taken, one is asked for', async () => {
  const asked: number[] = [];
  await firstFree(async (number) => {
    asked.push(number);
    return false;
  });
  expect(asked).toEqual([0]);
});
