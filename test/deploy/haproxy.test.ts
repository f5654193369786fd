import { describe, expect, test } from '@jest/globals';
import { OPERATOR_PATHS } from '../../src/api/surface.ts';
import { loadConfig, settings } from '../../src/config.ts';
import { composeFile, textOf } from './compose.ts';

const compose = composeFile('docker-compose.yml');
const { config } = loadConfig({ file: 'deploy/cluster.toml', env: {}, cwd: `${import.meta.dirname}/../..` });
const preset = (name: string) => settings.find((setting) => setting.name === name)?.preset;

/** The lines of each section by its heading. */
const sections = new Map<string, string[]>();
for (const line of textOf('deploy/haproxy.cfg')
  .split('\n')
  .filter((text) => text !== '' && !text.trimStart().startsWith('#'))) {
  if (line.startsWith(' ')) [...sections.values()].at(-1)?.push(line.trim());
  else sections.set(line, []);
}
const linesOf = (section: string): string[] => sections.get(section) ?? [];

describe('deploy/haproxy.cfg', () => {
  test('sends to every engine of docker-compose.yml, on the port that it listens on, under its own name, and only while it is ready', () => {
    const lines = linesOf('backend engines');
    const engines = Object.keys(compose.services).filter((name) => name.startsWith('engine-'));
    expect(lines.filter((line) => line.startsWith('server '))).toEqual(
      engines.map((name) => `server ${name} ${name}:${config.server.port} sni str(${name}) check-sni ${name} verifyhost ${name}`),
    );
    expect(lines).toContain('http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host engine');
    expect(lines).toContain('http-check expect status 200');
    expect(lines.find((line) => line.startsWith('default-server check '))).toContain(
      ' ssl verify required ca-file /engine-authority/ca.crt',
    );
  });

  test('says in the header of the settings which certificate was shown, and lets nobody else say it', () => {
    const { certificateHeader, certificateFormat, trusted } = config.proxy;
    expect(certificateFormat).toBe('rfc9440');
    const [withoutCertificates, withCertificates] = ['frontend tpps_and_phones', 'frontend client_certificates'].map(linesOf);
    expect(withoutCertificates).toContain(`http-request del-header ${certificateHeader}`);
    expect(withoutCertificates?.join()).not.toContain('set-header');
    const [removes = -1, sets = -1] = [
      `http-request del-header ${certificateHeader}`,
      `http-request set-header ${certificateHeader} :%[ssl_c_der,base64]: if { ssl_c_used }`,
    ].map((line) => withCertificates?.indexOf(line));
    expect(removes).toBeGreaterThanOrEqual(0);
    expect(sets).toBeGreaterThan(removes);
    const { networks } = compose.services['proxy'] ?? {};
    expect(trusted).toEqual([(networks as Record<string, { ipv4_address: string }>)['front']?.ipv4_address]);
    expect(compose.networks?.['front']?.ipam?.config[0]?.subnet).toBe(`${trusted[0]?.replace(/\d+$/, '0')}/24`);
  });

  test('shows nobody what is for operators', () => {
    for (const section of ['frontend tpps_and_phones', 'frontend client_certificates'])
      expect(linesOf(section)).toContain(`http-request return status 404 if { path ${Object.values(OPERATOR_PATHS).join(' ')} }`);
  });

  test('listens on the ports that are published, and takes its files from where they are mounted', () => {
    const binds = [...sections.values()].flat().filter((line) => line.startsWith('bind :'));
    expect(binds.map((line) => Number(/^bind :(\d+) ssl/.exec(line)?.[1]))).toEqual([preset('server.port'), preset('server.mtls_port')]);
    const proxy = compose.services['proxy'];
    const mounted = [...(proxy?.secrets ?? []).map((name) => `/run/secrets/${name}`), '/engine-authority/ca.crt'];
    expect([...new Set(textOf('deploy/haproxy.cfg').match(/\/(run\/secrets|engine-authority)\/[\w.]+/g))].sort()).toEqual(mounted.sort());
    expect(proxy?.healthcheck?.test.at(-1)).toBe(
      `http://${linesOf('frontend health')[0]?.replace('bind ', '')}${linesOf('frontend health')[1]?.replace('monitor-uri ', '')}`,
    );
  });

  test('waits longer than a poll may, and asks again only where nothing was asked yet or asking twice is asking once', () => {
    const defaults = linesOf('defaults');
    const seconds = Number(/^timeout server (\d+)s$/.exec(defaults.find((line) => line.startsWith('timeout server')) ?? '')?.[1]);
    expect(seconds).toBeGreaterThan(config.ciba.longPollSeconds + 10);
    expect(defaults).toContain('retry-on conn-failure empty-response');
    for (const section of ['frontend tpps_and_phones', 'frontend client_certificates'])
      expect(linesOf(section)).toContain('http-request disable-l7-retry unless METH_GET');
  });
});
