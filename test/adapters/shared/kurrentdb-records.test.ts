import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type KurrentdbShared, kurrentdbShared } from '../../../src/adapters/shared/kurrentdb.ts';
import { type KurrentdbCluster, kurrentdbCluster } from '../../support/kurrentdb-server/cluster.ts';
import { metadataOf } from '../../support/kurrentdb-server/log.ts';
import { settingsFor } from '../../support/kurrentdb-server/settings.ts';
import { recordsContract } from './records.contract.ts';

let cluster: KurrentdbCluster;
const opened: KurrentdbShared[] = [];
beforeAll(async () => {
  cluster = await kurrentdbCluster({ nodes: 3 });
});
afterAll(() => {
  for (const one of opened) one.close();
  cluster.stop();
});
const open = () => {
  const one = kurrentdbShared(settingsFor(cluster.connectionString), { kept: [] });
  opened.push(one);
  return one.records;
};
recordsContract('in KurrentDB', open);

describe('records in KurrentDB', () => {
  test('that are written again are kept once', async () => {
    const records = open();
    for (let revision = -1; revision < 9; revision += 1) expect(await records.write('lease', `text ${revision}`, revision)).toBe(true);
    expect(cluster.log.visible('countersign.lease')).toHaveLength(1);
    expect(await records.read('lease')).toEqual({ text: 'text 8', revision: 9 });
  });

  test('are written where another program has said who may read them', async () => {
    metadataOf(cluster, 'countersign.duty', { $acl: { $r: 'engine' } });
    const records = open();
    expect(await records.write('duty', 'here', -1)).toBe(true);
    expect(await records.read('duty')).toEqual({ text: 'here', revision: 0 });
  });

  test('are written once, also where the answer did not come', async () => {
    const records = open();
    await records.read('anything');
    for (const revision of [-1, 0, 1]) {
      cluster.node.cutAfterCommit(1);
      expect(await records.write('cut', `text ${revision}`, revision)).toBe(true);
    }
    expect(await records.read('cut')).toEqual({ text: 'text 1', revision: 2 });
  });

  test('are erased once, whoever does so and how often', async () => {
    const records = open();
    await records.write('erased', 'a secret', -1);
    await Promise.all([records.erase('erased'), open().erase('erased'), records.erase('erased'), records.erase('never there')]);
    expect([await records.read('erased'), await records.read('never there')]).toEqual([null, null]);
    expect(await records.write('never there', 'late', -1)).toBe(false);
  });
});
