import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { issueServerCertificate, makeAuthority } from '../../src/adapters/tls/certificates.ts';
import { temporaryFolder } from '../support/served.ts';
import { type Compose, dockerfile, textOf } from './compose.ts';

/** Contents for every secret of the compose files. */
export const standInSecrets = async (): Promise<Record<string, string>> => {
  const now = Math.floor(Date.now() / 1000);
  const validity = { notBefore: now - 60, notAfter: now + 86_400 };
  const authority = await makeAuthority('A CA', validity);
  const server = await issueServerCertificate(authority, [{ type: 'dns', value: 'ciba.bank.example' }], validity);
  const nodes = [1, 2, 3].map((number) => `kurrentdb-${number}:2113`).join();
  return {
    proxy_certificate_and_key: server.certificate + server.key,
    server_certificate: server.certificate,
    server_key: server.key,
    client_authorities: authority.certificate,
    psu_directory: '{"psus":[]}',
    master_key: randomBytes(32).toString('base64url'),
    kurrentdb_admin_password: 'first-password',
    kurrentdb_ops_password: 'second-password',
    kurrentdb_connection_string: `kurrentdb://admin:first-password@${nodes}?tls=true\n`,
  };
};

/** What deploy/make-certificates.sh, really run, puts into its volume, with a tool that stands in for KurrentDB's own and nobody to give it to. */
export const madeCertificates = (): string => {
  const [tools, volume] = [temporaryFolder(), temporaryFolder()];
  const tool = (name: string, command: string) => writeFileSync(join(tools, name), `#!/bin/sh\n${command}\n`, { mode: 0o755 });
  tool('es-gencert-cli', `exec '${process.execPath}' '${join(import.meta.dirname, 'es-gencert-cli.ts')}' "$@"`);
  tool('chown', ':');
  execFileSync('bash', [join(import.meta.dirname, '../../deploy/make-certificates.sh'), volume], {
    env: { ...process.env, PATH: `${tools}:${process.env['PATH']}` },
  });
  return volume;
};

/** The files and the environment of a service of ours, laid out under a folder; absolute paths in both lead there. */
export const laidOut = (
  { services, configs }: Compose,
  name: string,
  secrets: Record<string, string>,
  certificates: string,
): { environment: Record<string, string>; folder: string } => {
  const folder = temporaryFolder();
  const inside = (path: string): string => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    return join(folder, path);
  };
  const service = services[name];
  if (service === undefined) throw new Error(`no service ${name}`);
  for (const { source, target, volume } of service.volumes) {
    if (source === 'certificates') cpSync(join(certificates, volume?.subpath ?? ''), inside(target), { recursive: true });
    else mkdirSync(inside(target), { recursive: true });
  }
  for (const secret of service.secrets ?? []) writeFileSync(inside(`/run/secrets/${secret}`), secrets[secret] ?? '');
  for (const { source, target = `/${source}` } of service.configs ?? [])
    writeFileSync(inside(target), textOf(configs[source]?.file ?? '').replaceAll(/"(\/[^"\n]*)"/g, `"${folder}$1"`));
  const ofImage = dockerfile().flatMap(({ instruction, rest }) => (instruction === 'ENV' ? [rest.split('=') as [string, string]] : []));
  const environment = { ...Object.fromEntries(ofImage), ...service.environment };
  return {
    folder,
    environment: Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, value.replace(/^\//, `${folder}/`)])),
  };
};
