import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ConfigError, loadConfig } from '../../src/config.ts';
import { temporaryFolder } from '../support/served.ts';

const cwd = temporaryFolder();
const load = (given: Record<string, string>) =>
  loadConfig({ env: Object.fromEntries(Object.entries(given).map(([name, value]) => [`COUNTERSIGN_STORE_${name}`, value])), cwd }).config;
const problems = (given: Record<string, string>): readonly string[] => {
  try {
    load(given);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

describe('the settings of the store', () => {
  test('keep the log in a file of this machine by default', () => expect(load({}).store.kind).toBe('sqlite'));

  test('name a cluster by the file of its connection string', () => {
    const { kind, kurrentdb } = load({
      KIND: 'kurrentdb',
      KURRENTDB_CONNECTION_STRING_FILE: 'cluster',
      KURRENTDB_DEADLINE_MS: '500',
    }).store;
    expect([kind, kurrentdb]).toMatchObject(['kurrentdb', { connectionStringFile: join(cwd, 'cluster'), deadlineMs: 500 }]);
  });

  test.each<[string, Record<string, string>]>([
    ['store.kind', { KIND: 'postgres' }],
    ['store.kurrentdb.connection_string_file', { KIND: 'kurrentdb' }],
    ['store.kurrentdb.username and store.kurrentdb.password_file', { KURRENTDB_USERNAME: 'engine' }],
    ['store.kurrentdb.username and store.kurrentdb.password_file', { KURRENTDB_PASSWORD_FILE: 'password' }],
    ['store.kurrentdb.deadline_ms', { KURRENTDB_DEADLINE_MS: '0' }],
  ])('are told what is wrong with %s', (name, given) => expect(problems(given)).toEqual([expect.stringContaining(name)]));

  test('go without workers over a cluster: another node is as good', () => {
    const env = {
      COUNTERSIGN_STORE_KIND: 'kurrentdb',
      COUNTERSIGN_STORE_KURRENTDB_CONNECTION_STRING_FILE: 'cluster',
      COUNTERSIGN_SERVER_WORKERS: '2',
    };
    expect(() => loadConfig({ env, cwd })).toThrow(
      new ConfigError(['server.workers: expected 1 with store.kind = "kurrentdb": start another node instead']),
    );
    expect(loadConfig({ env: { ...env, COUNTERSIGN_STORE_KIND: 'sqlite' }, cwd }).config.server.workers).toBe(2);
  });
});
