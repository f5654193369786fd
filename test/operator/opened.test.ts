import { expect, test } from '@jest/globals';
import { nothingOpened } from '../../src/serve/opened.ts';

test('what was opened is closed in the reverse order, also where some of it cannot be closed, and the first failure is told', async () => {
  const opened = nothingOpened();
  const closed: number[] = [];
  for (const [at, failure] of [null, 'second', null, 'fourth', null].entries())
    opened.atEnd(async () => {
      closed.push(at);
      if (failure !== null) throw new Error(failure);
    });
  await expect(opened.closeAll()).rejects.toThrow('fourth');
  expect(closed).toEqual([4, 3, 2, 1, 0]);
});
