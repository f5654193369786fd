import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

// Writes what the collection needs of a development engine that is not running now: its environment, and the keys of a directory that signs
// software statements. Registers the officer who administers consents, and the
// bank's own systems: its gateway, its consent page and who creates its event notifications.
const ISSUER = process.env['ISSUER'] ?? 'https://localhost:9446';
const DATA_DIR = resolve(process.env['DATA_DIR'] ?? 'data');
const folder = join(DATA_DIR, 'postman');

mkdirSync(folder, { recursive: true });
const write = (name: string, content: object): string => {
  const file = join(folder, name);
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  return file;
};

/** Registers a client of the bank's own. */
const register = (name: string, scope: string): { id: string; secret: string } => {
  const file = write(`${name}.json`, {
    client_name: name,
    profile: 'plain',
    token_endpoint_auth_method: 'client_secret_basic',
    tls_client_certificate_bound_access_tokens: false,
    grant_types: ['client_credentials'],
    scope,
  });
  const registered = spawnSync(process.execPath, [join(import.meta.dirname, '../../src/cli.ts'), 'client', 'register', file], {
    env: { ...process.env, COUNTERSIGN_DATA_DIR: DATA_DIR },
    encoding: 'utf8',
  });
  const [, id, secret] = /client_id (\S+)\nclient_secret (\S+)/.exec(registered.stdout) ?? [];
  if (id === undefined || secret === undefined) throw new Error(`${name} could not be registered: ${registered.stderr}`);
  return { id, secret };
};
const officer = register('officer', 'consents:read_all');
const bank = register('bank', 'consents:validate consents:authorize consents:manage');

const sandbox = readFileSync(join(DATA_DIR, 'sandbox/sandbox.json'), 'utf8');
const { psus } = JSON.parse(sandbox) as { psus: [{ username: string; password: string }] };
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const kid = 'directory';
const values = {
  issuer: ISSUER,
  psu_username: psus[0].username,
  psu_password: psus[0].password,
  officer_client_id: officer.id,
  officer_client_secret: officer.secret,
  bank_client_id: bank.id,
  bank_client_secret: bank.secret,
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

[consent]
page_url = "https://bank.example/consent"

[sandbox]
automated_approver = true
`);
