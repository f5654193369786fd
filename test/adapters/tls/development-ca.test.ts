import { X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { alternativeNames } from '../../../src/adapters/tls/alternative-names.ts';
import { developmentTls, thisMachine } from '../../../src/adapters/tls/development-ca.ts';
import { mutualServer } from '../../../src/adapters/tls/servers.ts';
import { sameSubject } from '../../../src/domain/client/distinguished-name.ts';
import { connected, listening, now } from './listening.ts';

const DAY = 86_400;
const machine = { hostname: 'workbench', addresses: ['192.0.2.7', '2001:db8::7'], now: now() };
let dir: string;
beforeEach(async () => {
  dir = join(await mkdtemp(join(tmpdir(), 'countersign-tls-')), 'tls');
});
afterEach(() => rm(join(dir, '..'), { recursive: true }));

describe('the first start', () => {
  test('makes an authority and a server certificate for every name of the machine', async () => {
    const made = await developmentTls(dir, machine);
    const [ca, server] = [new X509Certificate(made.ca), new X509Certificate(made.certificate)];
    expect(alternativeNames(server)).toEqual({
      dns: ['localhost', 'workbench'],
      ip: ['127.0.0.1', '::1', '192.0.2.7', '2001:db8::7'],
      uri: [],
      email: [],
    });
    expect(server.checkIssued(ca) && server.verify(ca.publicKey)).toBe(true);
    expect([ca.ca, server.ca]).toEqual([true, false]);
    expect(server.publicKey.asymmetricKeyDetails).toMatchObject({ modulusLength: 2048 });
    expect(server.validToDate.getTime() - server.validFromDate.getTime()).toBeLessThanOrEqual(825 * DAY * 1000);
  });

  test('leaves keys that only the owner can read, and nothing else', async () => {
    const made = await developmentTls(dir, machine);
    expect((await readdir(dir)).sort()).toEqual(['ca.key', 'ca.pem', 'server.key', 'server.pem']);
    expect((await stat(join(dir, 'ca.key'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(dir, 'server.key'))).mode & 0o777).toBe(0o600);
    expect(await readFile(made.caFile, 'utf8')).toBe(made.ca);
  });

  test('makes what a client that trusts the authority can connect to, by name and by address', async () => {
    const made = await developmentTls(dir, machine);
    const tpp = await made.issueClientCertificate({ commonName: 'tpp', organization: 'Sandbox' });
    const client = { ca: made.ca, cert: tpp.certificate, key: tpp.key };
    const authorized = await listening(
      mutualServer({ ...made, clientCas: [made.ca] }, {}, () => {}),
      (port) =>
        Promise.all(['localhost', ''].map((servername) => connected(port, { ...client, servername }, (socket) => socket.authorized))),
    );
    expect(authorized).toEqual([true, true]);
  });

  test('can issue to a TPP with the key and the names that it asks for', async () => {
    const { issueClientCertificate } = await developmentTls(dir, machine);
    const { certificate } = await issueClientCertificate({
      commonName: 'tpp',
      organization: 'Sandbox',
      country: 'GB',
      keyType: 'EC',
      alternativeNames: [{ type: 'dns', value: 'tpp.example' }],
    });
    const x509 = new X509Certificate(certificate);
    expect(sameSubject(x509.subject.split('\n').reverse().join(','), 'CN=tpp, O=Sandbox, C=GB')).toBe(true);
    expect(x509.publicKey.asymmetricKeyType).toBe('ec');
    expect(x509.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    expect(x509.subjectAltName).toBe('DNS:tpp.example');
  });
});

describe('the next start', () => {
  const again = async (change: Partial<typeof machine>, between = async () => {}) => {
    const first = await developmentTls(dir, machine);
    await between();
    const second = await developmentTls(dir, { ...machine, ...change });
    return { first, second, sameCa: first.ca === second.ca, sameServer: first.certificate === second.certificate };
  };

  test('takes what is there', async () => {
    const { first, second, sameCa, sameServer } = await again({ now: machine.now + 300 * DAY });
    expect([sameCa, sameServer, first.key === second.key]).toEqual([true, true, true]);
  });

  test('keeps the certificate when an address is gone', async () => {
    expect(await again({ addresses: ['2001:0DB8:0:0:0:0:0:7'] })).toMatchObject({ sameCa: true, sameServer: true });
  });

  test('issues another certificate when an address or the name is new', async () => {
    const { second, ...same } = await again({ addresses: ['192.0.2.8'], hostname: 'other' });
    expect(same).toMatchObject({ sameCa: true, sameServer: false });
    expect(alternativeNames(new X509Certificate(second.certificate))).toMatchObject({
      dns: ['localhost', 'other'],
      ip: ['127.0.0.1', '::1', '192.0.2.8'],
    });
  });

  test('issues another certificate before the old one runs out', async () => {
    expect(await again({ now: machine.now + 800 * DAY })).toMatchObject({ sameCa: true, sameServer: false });
  });

  test('makes all anew before the authority runs out', async () => {
    expect(await again({ now: machine.now + 3640 * DAY })).toMatchObject({ sameCa: false, sameServer: false });
  });

  test('issues another certificate when a crash left the key without it', async () => {
    const other = await developmentTls(join(dir, 'other'), machine);
    expect(await again({}, () => writeFile(join(dir, 'server.key'), other.key))).toMatchObject({ sameCa: true, sameServer: false });
  });

  test('issues another certificate when the authority was removed', async () => {
    const { second, ...same } = await again({}, () => rm(join(dir, 'ca.pem')));
    expect(same).toMatchObject({ sameCa: false, sameServer: false });
    expect(new X509Certificate(second.certificate).verify(new X509Certificate(second.ca).publicKey)).toBe(true);
  });
});

test('this machine is told by its name and by addresses that a URL can hold', () => {
  const { hostname, addresses } = thisMachine();
  expect(hostname).not.toBe('');
  expect(addresses).toContain('127.0.0.1');
  expect(addresses.filter((address) => /^fe80|%/.test(address))).toEqual([]);
});
