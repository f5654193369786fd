import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { masterKey } from '../../src/adapters/keys/master-key.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { nextRowsOf, withNextRows } from '../../src/adapters/rows/next.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { rebuild } from '../../src/cli/rebuild.ts';
import { rebuildShadow } from '../../src/cli/rebuild-shadow.ts';
import { type Config, loadConfig } from '../../src/config.ts';
import type { Rows } from '../../src/domain/ports/rows.ts';
import { findClient } from '../../src/projections/client-lookup.ts';
import { logger } from '../../src/serve/logger.ts';
import { serve } from '../../src/serve.ts';
import { writeHistory } from '../support/history.ts';
import { freshEnvironment, served, temporaryFolder } from '../support/served.ts';

const CLIENT = {
  client_name: 'A TPP',
  profile: 'plain' as const,
  token_endpoint_auth_method: 'client_secret_post' as const,
  tls_client_certificate_bound_access_tokens: false,
};

/** A data directory with a past, and its read models. */
const setUp = async () => {
  const { config } = loadConfig({ env: await freshEnvironment(), cwd: temporaryFolder() });
  const sealer = psuKeys(join(config.dataDir, 'keys', 'psu-keys.sqlite'), masterKey(config.keys.masterFile, { create: true }));
  const file = join(config.dataDir, 'log.sqlite');
  const store = sqliteEventStore(file);
  await writeHistory(store, { ceremonies: 20, seed: 5, sealer });
  const head = await store.head();
  await store.close();
  sealer.close();
  await rebuild(config, { print: () => undefined, progress: null });
  return { config, file, head, rows: join(config.dataDir, 'read-models.sqlite') };
};

const withRows = <T>(file: string, use: (rows: Rows) => T): T => {
  const rows = sqliteRows(file);
  try {
    return use(rows);
  } finally {
    rows.commit();
    rows.close();
  }
};

/** What the command said, and why it failed. */
const shadow = async (config: Config, switchOver = false) => {
  const lines: Record<string, unknown>[] = [];
  const print = (line: string) => void lines.push(JSON.parse(line));
  const failure = await rebuildShadow(config, { switchOver }, { print, progress: null }).then(
    () => null,
    (error: Error) => error.message,
  );
  return {
    failure,
    differences: lines.flatMap(({ difference }) => (difference ? [difference] : [])),
    end: lines.at(-1)?.['shadow'],
    lines,
  };
};

describe('countersign rebuild --shadow', () => {
  test('finds read models that are what the log gives, and leaves nothing behind', async () => {
    const { config, head } = await setUp();
    const { failure, end } = await shadow(config);
    expect([failure, end]).toEqual([null, { position: head, seconds: expect.any(Number), differing: 0, switched: null }]);
    expect(readdirSync(config.dataDir).filter((name) => /shadow|next/.test(name))).toEqual(['read-models.sqlite.shadow.lock']);
  });

  test('names each row that differs by its table and its key, and fails', async () => {
    const { config, rows } = await setUp();
    const [gone, changed] = withRows(rows, (open) => {
      const [one, other] = open.all<{ consent_id: string }>('select consent_id from consent order by consent_id');
      open.run('delete from consent where consent_id = ?', one?.consent_id ?? '');
      open.run(`update consent set status = 'revoked', status_at = 1 where consent_id = ?`, other?.consent_id ?? '');
      open.run('insert into joint_consent values (?)', 'not of the log');
      return [one?.consent_id, other?.consent_id];
    });
    const { failure, differences } = await shadow(config);
    expect(failure).toContain('rows that differ: 3');
    expect(differences).toHaveLength(3);
    expect(differences).toContainEqual({ table: 'consent', key: { consent_id: gone }, found: 'missing' });
    expect(differences).toContainEqual({ table: 'consent', key: { consent_id: changed }, found: 'changed' });
    expect(differences).toContainEqual({ table: 'joint_consent', key: { consent_id: 'not of the log' }, found: 'extra' });
  });

  test('puts what it built in the place of the others, where no engine runs', async () => {
    const { config, rows } = await setUp();
    withRows(rows, (open) => open.run('delete from consent'));
    const { failure, end } = await shadow(config, true);
    expect([failure === null, end]).toEqual([false, expect.objectContaining({ switched: 'now' })]);
    expect(await shadow(config)).toMatchObject({ failure: null, differences: [] });
    expect(existsSync(nextRowsOf(rows))).toBe(false);
  });

  test('compares with an engine that goes on, and is switched to at its next start', async () => {
    const { config, serving, client } = await served();
    const known = await client(CLIENT, 'the secret of the first one');
    let isOver = false;
    const goesOn = (async () => {
      for (let n = 0; !isOver; n += 1) await client(CLIENT, `the secret of ${n}`);
    })();
    const { failure, end } = await shadow(config, true);
    isOver = true;
    await goesOn;
    expect([failure, end]).toEqual([null, expect.objectContaining({ differing: 0, switched: 'next start' })]);
    await serving.close();

    const rows = join(config.dataDir, 'read-models.sqlite');
    // Were the others used again, nobody would be known.
    withRows(rows, (open) => open.run('delete from client'));
    const again = await serve(config, { say: () => undefined, log: logger({ log: { level: 'fatal' } }) });
    expect(existsSync(nextRowsOf(rows))).toBe(false);
    expect(await again.engine.readModels.find((open) => findClient(open, known))).toMatchObject({ status: 'active' });
    expect(await shadow(config)).toMatchObject({ failure: null });
    await again.close();
  });

  test('does not keep for the next start what an engine erases meanwhile', async () => {
    const { config, serving } = await served();
    expect(await shadow(config, true)).toMatchObject({ failure: null, end: { switched: 'next start' } });
    const next = nextRowsOf(join(config.dataDir, 'read-models.sqlite'));
    expect(existsSync(next)).toBe(true);
    serving.engine.readModels.rows.scrub();
    expect(existsSync(next)).toBe(false);
    await serving.close();
  });

  test('does not compare what is of another version', async () => {
    const { config, rows } = await setUp();
    withRows(rows, (open) => open.run(`update projection set version = 1000 where name = 'consent_history'`));
    const { failure, lines } = await shadow(config);
    expect([failure, lines]).toEqual([null, expect.arrayContaining([{ not_compared: 'consent_history' }])]);
  });

  test('builds them where there are none yet', async () => {
    const { config, head, rows } = await setUp();
    withNextRows(rows);
    writeFileSync(rows, '');
    const { failure, end } = await shadow(config, true);
    expect([failure, end]).toEqual([null, expect.objectContaining({ position: head, switched: 'now' })]);
    expect(await shadow(config)).toMatchObject({ failure: null });
  });

  test('says that there is no log', async () => {
    const { config } = loadConfig({ env: await freshEnvironment(), cwd: temporaryFolder() });
    expect((await shadow(config)).failure).toContain('there is no log');
  });
});
