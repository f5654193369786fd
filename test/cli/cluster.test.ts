import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { masterKey } from '../../src/adapters/keys/master-key.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { sharedPsuKeys } from '../../src/adapters/shared/psu-keys.ts';
import { rebuildShadow } from '../../src/cli/rebuild-shadow.ts';
import { replay } from '../../src/cli/replay.ts';
import { type Config, loadConfig } from '../../src/config.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import { openCluster } from '../../src/serve/store.ts';
import { foldAll } from '../support/fold-all.ts';
import { writeHistory } from '../support/history.ts';
import { type KurrentdbCluster, kurrentdbCluster } from '../support/kurrentdb-server/cluster.ts';
import { freshEnvironment, temporaryFolder } from '../support/served.ts';

let cluster: KurrentdbCluster;
let config: Config;
let log: readonly StoredEvent[];

beforeAll(async () => {
  cluster = await kurrentdbCluster();
  const connection = join(temporaryFolder(), 'connection');
  writeFileSync(connection, cluster.connectionString);
  const env = await freshEnvironment({
    COUNTERSIGN_STORE_KIND: 'kurrentdb',
    COUNTERSIGN_STORE_KURRENTDB_CONNECTION_STRING_FILE: connection,
  });
  ({ config } = loadConfig({ env, cwd: temporaryFolder() }));
  const { store, records, close } = await openCluster(config);
  const keys = sharedPsuKeys(records, masterKey(config.keys.masterFile, { create: true }));
  await writeHistory(keys.keysFirst(store), { ceremonies: 5, seed: 5, sealer: keys });
  log = await store.readAll(0, 1_000_000);
  await close();
});
afterAll(() => cluster.stop());

const lines = async (run: (print: (line: string) => void) => Promise<void>) => {
  const printed: Record<string, unknown>[] = [];
  await run((line) => void printed.push(JSON.parse(line)));
  return printed;
};

describe('over a cluster', () => {
  test('countersign replay shows every fact with the state after it', async () => {
    const replayed = (until: string | null) =>
      lines((print) => replay(config, { consentId: null, until, json: true }, { print, progress: () => undefined }));
    expect(await replayed('2999-01-01T00:00:00Z')).toEqual(await replayed(null));
    const shown = await replayed(null);
    expect(log.length).toBeGreaterThan(100);
    expect(shown.map(({ id, state }) => ({ id, state }))).toEqual([...foldAll(log)].map(({ event: { id }, state }) => ({ id, state })));
  });

  test('countersign rebuild --shadow builds the read models of this node, and compares them', async () => {
    const shadow = (switchOver: boolean) => lines((print) => rebuildShadow(config, { switchOver }, { print, progress: null }));
    expect((await shadow(true)).at(-1)).toMatchObject({ shadow: { switched: 'now', differing: 0 } });
    expect((await shadow(false)).at(-1)).toMatchObject({ shadow: { position: log.at(-1)?.position, differing: 0 } });
    const rows = sqliteRows(join(config.dataDir, 'read-models.kurrentdb.sqlite'));
    rows.run('delete from consent');
    rows.commit();
    rows.close();
    await expect(shadow(false)).rejects.toThrow('rows that differ');
  });
});
