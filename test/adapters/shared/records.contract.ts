import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { SharedRecords } from '../../../src/adapters/shared/records.ts';

/** What nodes count on, whatever holds their records. `open` gives one node's view of records that it shares with all that it gave before. */
export const recordsContract = (kind: string, open: () => SharedRecords): void => {
  // A name that was erased is gone for ever.
  const newName = (): string => `record-${randomUUID()}`;

  describe(`${kind}: shared records`, () => {
    test('are none before they are written, and then what was written last', async () => {
      const [one, other, name] = [open(), open(), newName()];
      expect(await one.read(name)).toBeNull();
      expect(await one.write(name, 'first', -1)).toBe(true);
      expect(await other.read(name)).toEqual({ text: 'first', revision: 0 });
      expect(await other.write(name, 'sécond "\u0000\u{1f600}"', 0)).toBe(true);
      expect(await one.read(name)).toEqual({ text: 'sécond "\u0000\u{1f600}"', revision: 1 });
    });

    test('are written behind exactly the revision that is given', async () => {
      const [records, name] = [open(), newName()];
      expect(await records.write(name, 'too early', 0)).toBe(false);
      expect(await records.write(name, 'first', -1)).toBe(true);
      expect(await records.write(name, 'again', -1)).toBe(false);
      expect(await records.write(name, 'too far', 1)).toBe(false);
      expect(await records.read(name)).toEqual({ text: 'first', revision: 0 });
    });

    test('let one of many writers win', async () => {
      const name = newName();
      const nodes = Array.from({ length: 8 }, open);
      for (const revision of [-1, 0, 1]) {
        const wins = await Promise.all(nodes.map((node, index) => node.write(name, `${revision} by ${index}`, revision)));
        expect(wins.filter((won) => won)).toHaveLength(1);
        expect(await nodes[0]?.read(name)).toEqual({ text: `${revision} by ${wins.indexOf(true)}`, revision: revision + 1 });
      }
    });

    test('that were erased are gone for ever', async () => {
      const [one, other, name] = [open(), open(), newName()];
      await one.write(name, 'a secret', -1);
      await other.erase(name);
      expect(await one.read(name)).toBeNull();
      for (const revision of [-1, 0, 1]) expect(await one.write(name, 'again', revision)).toBe(false);
      expect(await other.read(name)).toBeNull();
    });
  });
};
