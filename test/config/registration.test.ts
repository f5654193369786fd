import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { registrationFiles } from '../../src/adapters/registration-files.ts';
import { ConfigError, loadConfig } from '../../src/config.ts';
import { testKey } from '../support/jws.ts';
import { temporaryFolder } from '../support/served.ts';

const cwd = temporaryFolder();
const PRODUCTION = {
  ENVIRONMENT: 'production',
  ISSUER: 'https://auth.bank.example',
  TLS_CERTIFICATE_FILE: '/run/tls.pem',
  TLS_KEY_FILE: '/run/tls.key',
  PSU_DIRECTORY_FILE: '/etc/psus.toml',
  KEYS_MASTER_FILE: '/run/master.key',
};
const DIRECTORY = { REGISTRATION_PRODUCTION_JWKS_URL: 'https://directory.example/jwks' };

const load = (given: Record<string, string>) =>
  loadConfig({ env: Object.fromEntries(Object.entries(given).map(([name, value]) => [`COUNTERSIGN_${name}`, value])), cwd }).config;
const problems = (given: Record<string, string>): readonly string[] => {
  try {
    load({ REGISTRATION_ENABLED: 'true', ...given });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

describe('the settings of registration', () => {
  test('leave it away by default, and are read from the environment', () => {
    expect(load({}).registration).toMatchObject({
      enabled: false,
      profile: 'fapi-ciba',
      requireSoftwareStatement: true,
      allowRs256: false,
    });
    expect(load({ REGISTRATION_ENABLED: 'true', REGISTRATION_REQUIRE_SOFTWARE_STATEMENT: 'false' }).registration).toMatchObject({
      enabled: true,
      requireSoftwareStatement: false,
    });
    expect(load({ REGISTRATION_INITIAL_ACCESS_TOKEN_FILE: 'token' }).registration.initialAccessTokenFile).toBe(join(cwd, 'token'));
    expect(problems({ REGISTRATION_ENABLED: 'yes' })).toEqual([expect.stringMatching(/^registration\.enabled /)]);
  });

  test('are whole with a directory, in production too', () => {
    expect(problems(DIRECTORY)).toEqual([]);
    expect(problems({ ...PRODUCTION, ...DIRECTORY })).toEqual([]);
    expect(
      problems({ ...PRODUCTION, REGISTRATION_REQUIRE_SOFTWARE_STATEMENT: 'false', REGISTRATION_INITIAL_ACCESS_TOKEN_FILE: 'x' }),
    ).toEqual([]);
    expect(problems({ ...PRODUCTION, ...DIRECTORY, REGISTRATION_PROFILE: 'wso2-compat' })).toEqual([]);
  });

  test.each<[string, Record<string, string>]>([
    ['registration.require_software_statement', {}],
    ['registration.profile', { ...PRODUCTION, ...DIRECTORY, REGISTRATION_PROFILE: 'plain' }],
    [
      'registration.require_software_statement',
      {
        ...{ ...PRODUCTION, ...DIRECTORY, REGISTRATION_PROFILE: 'wso2-compat' },
        ...{ REGISTRATION_REQUIRE_SOFTWARE_STATEMENT: 'false', REGISTRATION_INITIAL_ACCESS_TOKEN_FILE: 'x' },
      },
    ],
    ['registration.sandbox_jwks_file', { ...PRODUCTION, REGISTRATION_SANDBOX_JWKS_FILE: 'x' }],
    [
      'registration.sandbox_jwks_file',
      { REGISTRATION_SANDBOX_JWKS_FILE: 'x', REGISTRATION_SANDBOX_JWKS_URL: 'https://directory.example/' },
    ],
    ['registration.sandbox_jwks_url', { REGISTRATION_SANDBOX_JWKS_URL: 'directory' }],
    ['registration.initial_access_token_file', { ...PRODUCTION, REGISTRATION_REQUIRE_SOFTWARE_STATEMENT: 'false' }],
  ])('name %s where it does not fit', (name, given) => expect(problems(given)).toEqual([expect.stringMatching(`^${name}`)]));
});

describe('the files of registration', () => {
  const inFile = (text: string): string => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, text);
    return file;
  };
  const none = { initialAccessTokenFile: null, sandboxJwksFile: null };

  test('are read', async () => {
    expect(await registrationFiles(none)).toEqual({ initialAccessToken: null, sandboxJwks: null });
    const keys = { keys: [testKey('ES256').publicJwk] };
    const files = { initialAccessTokenFile: inFile('t0ken\n'), sandboxJwksFile: inFile(JSON.stringify(keys)) };
    expect(await registrationFiles(files)).toEqual({ initialAccessToken: 't0ken', sandboxJwks: keys });
  });

  test('stop the start where they hold nothing, or a private key', async () => {
    await expect(registrationFiles({ ...none, initialAccessTokenFile: inFile('\n') })).rejects.toThrow('holds no token');
    const keys = { keys: [testKey('ES256').privateKey.export({ format: 'jwk' })] };
    await expect(registrationFiles({ ...none, sandboxJwksFile: inFile(JSON.stringify(keys)) })).rejects.toThrow('public keys only');
  });
});
