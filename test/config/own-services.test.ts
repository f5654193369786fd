import { tmpdir } from 'node:os';
import { describe, expect, test } from '@jest/globals';
import { ConfigError, configTable, loadConfig } from '../../src/config.ts';

const load = (env: Record<string, string>) => loadConfig({ env, cwd: tmpdir() });
const problems = (env: Record<string, string>): readonly string[] => {
  try {
    load(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

const PRODUCTION = {
  COUNTERSIGN_ENVIRONMENT: 'production',
  COUNTERSIGN_ISSUER: 'https://auth.bank.example',
  COUNTERSIGN_TLS_CERTIFICATE_FILE: '/run/tls.pem',
  COUNTERSIGN_TLS_KEY_FILE: '/run/secrets/tls.key',
  COUNTERSIGN_KEYS_MASTER_FILE: '/run/secrets/master.key',
};
const URL = 'https://directory.bank.example/psus';

describe('the directory of the bank', () => {
  test('stands in for the file that production requires', () => {
    expect(problems(PRODUCTION)).toEqual([expect.stringContaining('psu.directory_file: required in production')]);
    expect(problems({ ...PRODUCTION, COUNTERSIGN_PSU_DIRECTORY_URL: URL })).toEqual([]);
  });
  test('is asked over TLS in production', () => {
    const plain = { COUNTERSIGN_PSU_DIRECTORY_URL: URL.replace('https', 'http') };
    expect(problems({ ...PRODUCTION, ...plain })).toEqual(['psu.directory_url: expected an https URL']);
    expect(problems(plain)).toEqual([]);
  });
  test('is one of two', () => {
    const both = { COUNTERSIGN_PSU_DIRECTORY_URL: URL, COUNTERSIGN_PSU_DIRECTORY_FILE: '/psus.json' };
    expect(problems(both)).toEqual(['psu.directory_file and psu.directory_url: expected one']);
  });
  test('alone has a token', () =>
    expect(problems({ COUNTERSIGN_PSU_DIRECTORY_SECRET_FILE: '/token' })).toEqual([
      'psu.directory_secret_file: expected psu.directory_url with it',
    ]));
});

describe('lists of steps', () => {
  test('can be read in the table of the settings', () => {
    const rows = configTable(load({ COUNTERSIGN_CONSENT_AUTHORIZE_STEPS_RETRIEVE: 'default-retrieval:5' }));
    const row = rows.find(({ name }) => name === 'consent.authorize_steps.retrieve');
    expect(row?.value).toContain('"name":"default-retrieval","priority":5');
  });
});
