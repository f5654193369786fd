import { X509Certificate } from 'node:crypto';
import { createServer } from 'node:https';
import { type ConnectionOptions, getCACertificates } from 'node:tls';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { issueServerCertificate, makeAuthority, selfSignedCertificate } from '../../../src/adapters/tls/certificates.ts';
import { type Identity, identityProblem, mutualServer, serverOptions } from '../../../src/adapters/tls/servers.ts';
import { connected, listening, now } from './listening.ts';

const validity = { notBefore: now() - 60, notAfter: now() + 3600 };
let ca: Identity;
let identity: Identity;
beforeAll(async () => {
  ca = await makeAuthority('test', validity);
  identity = await issueServerCertificate(ca, [{ type: 'dns', value: 'localhost' }], validity);
});

const only = (version: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3', ciphers: string): ConnectionOptions => ({
  minVersion: version,
  maxVersion: version,
  ciphers,
});
const LISTENERS = [
  ['plain', () => createServer(serverOptions(identity))],
  ['mutual', () => mutualServer({ ...identity, clientCas: [ca.certificate] }, {}, () => {})],
] as const;

describe.each(LISTENERS)('the %s listener', (_, server) => {
  const negotiate = (options: ConnectionOptions) =>
    listening(server(), (port) =>
      connected(port, { ca: ca.certificate, ...options }, (socket) => ({ version: socket.getProtocol(), cipher: socket.getCipher().name })),
    );

  test('agrees on TLS 1.3 with whoever can', async () => {
    expect(await negotiate({})).toEqual({ version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256' });
    expect(await negotiate({ minVersion: 'TLSv1.2' })).toMatchObject({ version: 'TLSv1.3' });
  });

  test.each(['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES256-GCM-SHA384'])('takes %s under TLS 1.2', async (cipher) => {
    expect(await negotiate(only('TLSv1.2', cipher))).toEqual({ version: 'TLSv1.2', cipher });
  });

  test('chooses by its own order', async () => {
    const other = 'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256';
    expect(await negotiate(only('TLSv1.2', other))).toMatchObject({ cipher: 'ECDHE-RSA-AES128-GCM-SHA256' });
  });

  test.each([
    'ECDHE-RSA-CHACHA20-POLY1305',
    'ECDHE-RSA-AES128-SHA256',
    'ECDHE-RSA-AES128-SHA',
    'DHE-RSA-AES128-GCM-SHA256',
    'AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
  ])('refuses %s under TLS 1.2', async (cipher) => {
    await expect(negotiate(only('TLSv1.2', cipher))).rejects.toMatchObject({ code: expect.stringMatching(/ALERT_HANDSHAKE_FAILURE$/) });
  });

  test.each(['TLSv1', 'TLSv1.1'] as const)('refuses %s with the alert protocol_version', async (version) => {
    await expect(negotiate(only(version, 'DEFAULT@SECLEVEL=0'))).rejects.toMatchObject({
      code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
    });
  });
});

describe('the certificate of the server', () => {
  test('is RSA, has its own key and has not run out', async () => {
    expect(identityProblem(identity, now())).toBeNull();
    const elliptic = await selfSignedCertificate({ commonName: 'localhost', keyType: 'EC' }, now());
    expect(identityProblem(elliptic, now())).toBe('expected an RSA certificate, which the suites of FAPI need, not ec');
    expect(identityProblem({ ...identity, key: ca.key }, now())).toBe('the private key belongs to another certificate');
    expect(identityProblem(identity, validity.notAfter)).toMatch(/^the certificate ran out on 20/);
    for (const nonsense of [
      { certificate: '', key: '' },
      { ...identity, key: 'none' },
      { ...identity, certificate: identity.key },
    ])
      expect(identityProblem(nonsense, now())).toBe('expected a certificate and its private key in PEM');
  });
});

test('the authorities of clients are not those of the process', () => {
  const before = new Set(getCACertificates('default'));
  mutualServer({ ...identity, clientCas: [ca.certificate] }, {}, () => {});
  expect(new Set(getCACertificates('default'))).toEqual(before);
  expect(() => mutualServer({ ...identity, key: 'none', clientCas: [] }, {}, () => {})).toThrow();
  expect(new Set(getCACertificates('default'))).toEqual(before);
  expect([...before].some((pem) => new X509Certificate(pem).subject === 'CN=test')).toBe(false);
});
