import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { REQUIREMENTS } from './requirements.ts';

const HERE = import.meta.dirname;
const tested = new Set(
  globSync('*.test.ts', { cwd: HERE }).flatMap((file) =>
    [...readFileSync(join(HERE, file), 'utf8').matchAll(/^\s*(?:test(?:\.each\(.*\))?\(|\]\)\()\s*['`]([RABCD]\d+) /gm)].map(
      ([, id = '']) => id,
    ),
  ),
);
const numbers = (letter: string, last: number) => Array.from({ length: last }, (_, index) => `${letter}${index + 1}`);

describe('the list of requirements', () => {
  test('is whole', () =>
    expect(REQUIREMENTS.map(({ id }) => id)).toEqual([
      ...numbers('R', 81),
      ...numbers('A', 12),
      ...numbers('B', 12),
      ...numbers('C', 4),
      ...numbers('D', 4),
    ]));

  test('has a test for each that applies', () => {
    const applicable = REQUIREMENTS.filter(({ notApplicable, notBuilt }) => notApplicable === undefined && notBuilt === undefined);
    expect(applicable.filter(({ id }) => !tested.has(id)).map(({ id }) => id)).toEqual([]);
  });

  test('has a reason for each that does not, and no test', () => {
    const excepted = REQUIREMENTS.filter(({ notApplicable, notBuilt }) => notApplicable !== undefined || notBuilt !== undefined);
    for (const { id, notApplicable, notBuilt } of excepted) {
      expect(notApplicable ?? notBuilt).toMatch(/^.{20,}\.$/);
      expect({ id, isTested: tested.has(id) }).toEqual({ id, isTested: false });
    }
  });
});

describe('the page of conformance', () => {
  const page = readFileSync(join(HERE, '..', '..', 'docs', 'conformance.md'), 'utf8');

  test('lists exactly the requirements', () => {
    const listed = [...page.matchAll(/^\| ([RABCD]\d+) \| ([^|]*) \| ([^|]*) \|/gm)].map(([, id, section, says]) => ({
      id,
      section,
      says,
    }));
    expect(listed).toEqual(REQUIREMENTS.map(({ id, section, says }) => ({ id, section, says })));
  });

  test('gives the reasons', () => {
    for (const { notApplicable, notBuilt, except } of REQUIREMENTS) expect(page).toContain(notApplicable ?? notBuilt ?? except ?? '');
  });

  test('was written when every test had run and passed', () => expect(page).not.toMatch(/\| (fail|not run) \|$/m));
});
