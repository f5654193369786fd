import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { kidOf } from '../../../src/adapters/keys/private-keys.ts';
import { sharedPrivateKeys } from '../../../src/adapters/shared/private-keys.ts';
import { inMemoryRecords, type SharedRecords } from '../../../src/adapters/shared/records.ts';

const MASTER = Buffer.alloc(32, 5);
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const kid = kidOf(privateKey);

/** Records that hold the key, and nodes over them; `calls` is how often one of them was to be erased. */
const world = async () => {
  const records = inMemoryRecords();
  const store = { away: false, calls: 0 };
  const moody: SharedRecords = {
    ...records,
    async erase(name) {
      store.calls += 1;
      if (store.away) throw new Error('the store is away');
      await records.erase(name);
    },
  };
  const faults: unknown[] = [];
  const node = () => sharedPrivateKeys(moody, { master: MASTER, onFault: (error) => faults.push(error) });
  await node().keep(privateKey);
  const isKept = async () => (await records.read(`signing-key-${kid}`)) !== null;
  return { store, faults, node, isKept };
};
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('the private part of a signing key is erased also by a node that never had it', async () => {
  const { node, isKept } = await world();
  expect(await isKept()).toBe(true);
  node().erase(kid);
  await settled();
  expect(await isKept()).toBe(false);
});

test('the private part of a signing key that could not be erased is erased when its node is told again', async () => {
  const { store, faults, node, isKept } = await world();
  const one = node();
  await one.load?.([kid]);
  store.away = true;
  one.erase(kid);
  await settled();
  expect([one.find(kid), faults, await isKept()]).toEqual([null, [new Error('the store is away')], true]);
  store.away = false;
  for (let time = 0; time < 3; time += 1) {
    one.erase(kid);
    await settled();
  }
  expect([await isKept(), store.calls]).toEqual([false, 2]);
});
