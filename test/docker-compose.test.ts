import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { loadConfig, settings } from '../src/config.ts';
import { MAX_FILE_BYTES } from '../src/domain/consent/decider.ts';
import { COMPOSE_FILES, type Compose, composeFile, dockerfile, type Service, textOf } from './deploy/compose.ts';
import { laidOut, madeCertificates, standInSecrets } from './deploy/container.ts';
import { temporaryFolder } from './support/served.ts';

const ROOT = join(import.meta.dirname, '..');
const ENGINES = [
  ['docker-compose.yml', 'engine-1'],
  ['docker-compose.yml', 'engine-2'],
  ['docker-compose.single.yml', 'engine'],
] as const;

let secrets: Record<string, string>;
let certificates: string;
beforeAll(async () => {
  secrets = await standInSecrets();
  certificates = madeCertificates();
});

const servicesOf = (file: string): [string, Service][] => Object.entries(composeFile(file).services);
const preset = (name: string) => settings.find((setting) => setting.name === name)?.preset;

/** The path of the settings file that an engine's service takes from the repository. */
const settingsFileOf = ({ configs }: Compose, service: Service): string => {
  const target = service.environment?.['COUNTERSIGN_CONFIG'];
  const source = service.configs?.find((config) => config.target === target)?.source ?? '';
  return configs[source]?.file ?? '';
};

const check = (file: string, name: string, instead: Record<string, string> = {}) => {
  const { environment, folder } = laidOut(composeFile(file), name, { ...secrets, ...instead }, certificates);
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'src/cli.ts'), 'config', 'check'], {
    env: { PATH: process.env['PATH'], ...environment },
    cwd: folder,
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { status, stdout, stderr: stderr.replaceAll(folder, '') };
};

describe('the settings of', () => {
  test.each(ENGINES)('%s, %s: an engine could start with them', (file, name) => {
    const { status, stdout, stderr } = check(file, name);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^ok: /);
    expect(stdout).toMatch(/^environment +\S+countersign\.toml:\d+$/m);
  });

  test.each(ENGINES)('%s, %s: every secret that the service is given is read', (file, name) => {
    const given = composeFile(file).services[name]?.secrets ?? [];
    const { status, stdout, stderr } = check(file, name, Object.fromEntries(given.map((secret) => [secret, 'not-this'])));
    expect([status, stdout]).toEqual([1, '']);
    for (const secret of given) expect(stderr).toContain(`/run/secrets/${secret}`);
    expect(stderr).not.toContain('not-this');
  });

  test.each(ENGINES)('%s, %s: the ports that clients are told are those that are published', (file, name) => {
    const compose = composeFile(file);
    const { config } = loadConfig({ file: settingsFileOf(compose, compose.services[name] as Service), env: {}, cwd: ROOT });
    const open = (compose.services['proxy'] ?? compose.services[name])?.ports;
    const issuerPort = new URL(config.issuer).port || '443';
    // The base URL for client certificates is the issuer's name with the engine's own port.
    expect(open).toEqual([`${issuerPort}:${preset('server.port')}`, `${config.server.mtlsPort}:${preset('server.mtls_port')}`]);
    expect([config.environment, config.server.port, config.server.mtlsPort]).toEqual([
      'production',
      preset('server.port'),
      preset('server.mtls_port'),
    ]);
    const exposed = dockerfile().find(({ instruction }) => instruction === 'EXPOSE')?.rest;
    expect(exposed).toBe(`${preset('server.port')} ${preset('server.mtls_port')} ${config.operator.port}`);
  });
});

describe.each(COMPOSE_FILES)('%s', (file) => {
  const compose = composeFile(file);
  const services = Object.values(compose.services);
  const used = (names: (service: Service) => string[]) => [...new Set(services.flatMap(names))].sort();

  test('declares what its services use, and nothing else', () => {
    const declared = (section: object | undefined) => Object.keys(section ?? {}).sort();
    expect(used(({ volumes }) => volumes.map(({ source }) => source))).toEqual(declared(compose.volumes));
    expect(used(({ configs = [] }) => configs.map(({ source }) => source))).toEqual(declared(compose.configs));
    expect(used((service) => service.secrets ?? [])).toEqual(declared(compose.secrets));
    expect(used(({ networks = [] }) => (Array.isArray(networks) ? networks : Object.keys(networks)))).toEqual(declared(compose.networks));
    expect(used(({ depends_on = {} }) => Object.keys(depends_on)).filter((name) => compose.services[name] === undefined)).toEqual([]);
  });

  test('takes its configuration from files that are there, and its secrets from files that git ignores', () => {
    for (const { file: source } of Object.values(compose.configs)) expect([source, existsSync(join(ROOT, source))]).toEqual([source, true]);
    for (const { entrypoint = [], configs = [] } of services)
      expect(entrypoint.slice(1).filter((script) => !configs.some(({ target }) => target === script))).toEqual([]);
    const ignored = Object.values(compose.secrets).map((secret) => secret.file);
    expect(
      execFileSync('git', ['check-ignore', ...ignored], { cwd: ROOT, encoding: 'utf8' })
        .trim()
        .split('\n'),
    ).toEqual(ignored);
    const environment = services.flatMap((service) => Object.entries(service.environment ?? {}));
    expect(environment.filter(([name]) => /password|secret|token|key$/i.test(name) && !name.endsWith('_FILE'))).toEqual([]);
    for (const [name] of environment.filter(([variable]) => variable.startsWith('COUNTERSIGN_')))
      expect(['COUNTERSIGN_CONFIG', ...settings.map(({ variable }) => variable)]).toContain(name);
  });

  test('names every image by its whole version, and leaves its digest to deploy/images.env', () => {
    const pinned = new Set(textOf('deploy/images.env').match(/^\w+_DIGEST(?==)/gm));
    for (const { image, build } of services) {
      if (build !== undefined) {
        expect(image).toBe(`countersign:${JSON.parse(textOf('package.json')).version}`);
        expect(build.args['NODE_DIGEST']).toMatch(/^\$\{NODE_DIGEST:-\}$/);
      } else {
        const [, digest] = /^[a-z][\w./-]*:\d+\.\d+\.\d+[\w.-]*\$\{(\w+):-\}$/.exec(image) ?? [];
        expect([image, pinned.has(digest ?? '')]).toEqual([image, true]);
      }
    }
  });

  test.each(servicesOf(file))('gives %s no more than it needs', (_name, service) => {
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
    expect(service.stop_grace_period).toMatch(/^\d+s$/);
    // Only what runs once, and has no network, may be root.
    if (service.network_mode === 'none') expect([service.user, service.restart]).toEqual(['0:0', 'no']);
    else expect(service.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  });

  test.each(servicesOf(file).filter(([, { restart }]) => restart !== 'no'))('knows whether %s is well', (_name, service) => {
    const ofImage = service.build !== undefined && dockerfile().some(({ instruction }) => instruction === 'HEALTHCHECK');
    expect(ofImage || service.healthcheck?.test[0] === 'CMD').toBe(true);
  });
});

test('deploy/images.env pins every image that is used, with a digest or not at all', () => {
  const used = [...COMPOSE_FILES, 'Dockerfile'].flatMap((file) => textOf(file).match(/\w+_DIGEST/g) ?? []);
  const lines = textOf('deploy/images.env')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  expect(lines.map((line) => line.split('=')[0]).sort()).toEqual([...new Set(used)].sort());
  for (const line of lines) expect(line).toMatch(/=(@sha256:[0-9a-f]{64})?$/);
});

test('three nodes of KurrentDB know each other and their certificates', () => {
  const nodes = servicesOf('docker-compose.yml').filter(([name]) => name.startsWith('kurrentdb-'));
  expect(nodes).toHaveLength(3);
  for (const [name, { environment = {}, volumes }] of nodes) {
    const others = nodes.flatMap(([other]) => (other === name ? [] : [`${other}:2113`]));
    expect(environment).toMatchObject({
      KURRENTDB_CLUSTER_SIZE: String(nodes.length),
      // The largest file of payments, doubled where it must be escaped, sealed and in base64.
      KURRENTDB_MAX_APPEND_SIZE: String(4 * MAX_FILE_BYTES),
      KURRENTDB_GOSSIP_SEED: others.join(),
      KURRENTDB_NODE_HOST_ADVERTISE_AS: name,
      KURRENTDB_REPLICATION_HOST_ADVERTISE_AS: name,
    });
    const subpathAt = (target: string) => volumes.find((volume) => volume.target === target)?.volume?.subpath;
    const file = (variable: string) => environment[variable] ?? '';
    expect(file('KURRENTDB_CERTIFICATE_FILE')).toBe('/certificates/node.crt');
    expect(file('KURRENTDB_CERTIFICATE_PRIVATE_KEY_FILE')).toBe('/certificates/node.key');
    expect(subpathAt('/certificates')).toBe(name);
    expect(subpathAt(file('KURRENTDB_TRUSTED_ROOT_CERTIFICATES_PATH'))).toBe('kurrentdb-trust');
  }
});

describe('the scripts', () => {
  test('make-certificates.sh makes what the services mount, gives no private key of an authority to any of them, and runs once', () => {
    const mounts = servicesOf('docker-compose.yml').flatMap(([, { volumes }]) => volumes.filter(({ source }) => source === 'certificates'));
    const subpaths = mounts.flatMap(({ volume }) => volume?.subpath ?? []);
    expect(subpaths.length).toBe(mounts.length - 1);
    for (const subpath of subpaths) {
      expect([subpath, existsSync(join(certificates, subpath))]).toEqual([subpath, true]);
      expect(existsSync(join(certificates, subpath, 'ca.key'))).toBe(false);
    }
    // No tool is there now, and none is needed.
    execFileSync('bash', [join(ROOT, 'deploy/make-certificates.sh'), certificates]);
  });

  test('start-kurrentdb.sh hands over the passwords, and nothing else of its own', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'KurrentDB'), '#!/bin/sh\necho "$KURRENTDB_DEFAULT_ADMIN_PASSWORD $KURRENTDB_DEFAULT_OPS_PASSWORD $*"\n', {
      mode: 0o755,
    });
    for (const name of ['admin', 'ops']) writeFileSync(join(folder, name), `${name}-password\n`);
    const said = execFileSync('bash', [join(ROOT, 'deploy/start-kurrentdb.sh'), '--option'], {
      cwd: folder,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], ADMIN_PASSWORD_FILE: join(folder, 'admin'), OPS_PASSWORD_FILE: join(folder, 'ops') },
    });
    expect(said).toBe('admin-password ops-password --option\n');
  });
});
