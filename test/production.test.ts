import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import pino from 'pino';
import { issueServerCertificate, makeAuthority, selfSignedCertificate } from '../src/adapters/tls/certificates.ts';
import { loadConfig } from '../src/config.ts';
import { trustingFetch } from '../src/demo/trusting-fetch.ts';
import { serve } from '../src/serve.ts';
import { freshEnvironment, temporaryFolder } from './support/served.ts';

test('an engine does not start with a server certificate that is not RSA', async () => {
  const folder = temporaryFolder();
  const { certificate, key } = await selfSignedCertificate({ commonName: 'localhost', keyType: 'EC' }, Math.floor(Date.now() / 1000));
  writeFileSync(join(folder, 'server.pem'), certificate);
  writeFileSync(join(folder, 'server.key'), key);
  const tls = { COUNTERSIGN_TLS_CERTIFICATE_FILE: join(folder, 'server.pem'), COUNTERSIGN_TLS_KEY_FILE: join(folder, 'server.key') };
  const { config } = loadConfig({ env: await freshEnvironment(tls), cwd: tmpdir() });
  await expect(serve(config, { say: () => undefined, log: pino({ level: 'silent' }) })).rejects.toThrow(
    'tls.certificate_file and tls.key_file: expected an RSA certificate, which the suites of FAPI need, not ec',
  );
});

test('production starts on a fresh data directory with the settings that it requires, and without a sandbox', async () => {
  const folder = temporaryFolder();
  const write = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const now = Math.floor(Date.now() / 1000);
  const validity = { notBefore: now - 60, notAfter: now + 86_400 };
  const authority = await makeAuthority('A CA', validity);
  const server = await issueServerCertificate(authority, [{ type: 'dns', value: 'localhost' }], validity);
  const fresh = await freshEnvironment();
  const dataDir = join(folder, 'made', 'by', 'the', 'engine');
  const issuer = `https://localhost:${fresh['COUNTERSIGN_SERVER_PORT']}`;
  const env = {
    ...fresh,
    COUNTERSIGN_DATA_DIR: dataDir,
    COUNTERSIGN_ENVIRONMENT: 'production',
    COUNTERSIGN_ISSUER: issuer,
    COUNTERSIGN_TLS_CERTIFICATE_FILE: write('server.pem', server.certificate),
    COUNTERSIGN_TLS_KEY_FILE: write('server.key', server.key),
    COUNTERSIGN_PSU_DIRECTORY_FILE: write('psus.json', '{"psus":[]}'),
    COUNTERSIGN_KEYS_MASTER_FILE: write('master.key', randomBytes(32).toString('base64url')),
  };
  const serving = await serve(loadConfig({ env, cwd: tmpdir() }).config, { say: () => undefined, log: pino({ level: 'silent' }) });
  try {
    const metadata = await trustingFetch(authority.certificate)(`${issuer}/.well-known/openid-configuration`);
    expect(((await metadata.json()) as { issuer: string }).issuer).toBe(issuer);
    expect([serving.sandbox, existsSync(join(dataDir, 'sandbox')), existsSync(join(dataDir, 'tls'))]).toEqual([null, false, false]);
  } finally {
    await serving.close();
  }
});
