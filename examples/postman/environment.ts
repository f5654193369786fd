import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

// Writes what the collection needs of a development engine that is not running now: its environment, and the keys of a directory that signs
// software statements. Registers the officer who administers consents.
const ISSUER = process.env['ISSUER'] ?? 'https://localhost:9446';
const DATA_DIR = resolve(process.env['DATA_DIR'] ?? 'data');
const folder = join(DATA_DIR, 'postman');

mkdirSync(folder, { recursive: true });
const write = (name: string, content: object): string => {
  const file = join(folder, name);
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  return file;
};

const officer = write('officer.json', {
  client_name: 'Officer',
  profile: 'plain',
  token_endpoint_auth_method: 'client_secret_basic',
  tls_client_certificate_bound_access_tokens: false,
  grant_types: ['client_credentials'],
  scope: 'consents:read_all',
});
const registered = spawnSync(process.execPath, [join(import.meta.dirname, '../../src/cli.ts'), 'client', 'register', officer], {
  env: { ...process.env, COUNTERSIGN_DATA_DIR: DATA_DIR },
  encoding: 'utf8',
});
const [, officerId, officerSecret] = /client_id (\S+)\nclient_secret (\S+)/.exec(registered.stdout) ?? [];
if (officerId === undefined || officerSecret === undefined) throw new Error(`the officer could not be registered: ${registered.stderr}`);

const sandbox = readFileSync(join(DATA_DIR, 'sandbox/sandbox.json'), 'utf8');
const { psus } = JSON.parse(sandbox) as { psus: [{ username: string; password: string }] };
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const kid = 'directory';
const values = {
  issuer: ISSUER,
  psu_username: psus[0].username,
  psu_password: psus[0].password,
  officer_client_id: officerId,
  officer_client_secret: officerSecret,
  directory_private_jwk: JSON.stringify({ ...privateKey.export({ format: 'jwk' }), kid }),
};
const environment = write('environment.json', {
  name: 'Countersign',
  values: Object.entries(values).map(([key, value]) => ({ key, value, enabled: true })),
});
const jwks = write('directory.jwks', { keys: [{ ...publicKey.export({ format: 'jwk' }), kid }] });
console.log(`wrote ${environment}; start the engine with these settings:

[registration]
enabled = true
profile = "wso2-compat"
sandbox_jwks_file = "${jwks}"
`);
