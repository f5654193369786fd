import type { ConnectionOptions } from 'node:tls';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { selfSignedCertificate } from '../../src/adapters/tls/certificates.ts';
import { registerTpp } from './support/tpp.ts';
import { expectError, handshake, openWire, type Wire } from './support/wire.ts';

let wire: Wire;
let hosts: string[];
beforeAll(async () => {
  wire = await openWire();
  const { mtls_endpoint_aliases: aliases, ...endpoints } = wire.metadata;
  const urls = [...Object.entries(endpoints), ...Object.entries(aliases)].filter(([name]) => name.endsWith('_endpoint'));
  hosts = [...new Set(urls.map(([, url]) => new URL(String(url)).origin))];
});
afterAll(() => wire.close());

const agreed = (host: string, options: ConnectionOptions) =>
  handshake(host, { ca: wire.ca, ...options }, (socket) => ({ version: socket.getProtocol(), cipher: socket.getCipher().name }));
const only = (version: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3', ciphers?: string): ConnectionOptions => ({
  minVersion: version,
  maxVersion: version,
  ...(ciphers !== undefined && { ciphers }),
});

test('R16 TLS 1.2 and 1.3 are spoken at every endpoint; 1.0 and 1.1 are refused with an alert', async () => {
  expect(hosts).toHaveLength(2);
  for (const host of hosts) {
    expect(await agreed(host, only('TLSv1.2'))).toMatchObject({ version: 'TLSv1.2' });
    expect(await agreed(host, only('TLSv1.3'))).toMatchObject({ version: 'TLSv1.3' });
    for (const version of ['TLSv1', 'TLSv1.1'] as const)
      await expect(agreed(host, only(version, 'DEFAULT@SECLEVEL=0'))).rejects.toMatchObject({
        code: expect.stringMatching(/ALERT_(PROTOCOL_VERSION|HANDSHAKE_FAILURE)$/),
      });
  }
});

const SUITES = ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES256-GCM-SHA384'];
const OTHERS = [
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-SHA256',
  'ECDHE-RSA-AES256-SHA384',
  'ECDHE-RSA-AES128-SHA',
  'DHE-RSA-AES128-GCM-SHA256',
  'DHE-RSA-AES256-GCM-SHA384',
  'AES128-GCM-SHA256',
  'AES256-SHA',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
];

test('R17 under TLS 1.2 the two suites are enabled and no other', async () => {
  for (const host of hosts) {
    for (const cipher of SUITES) expect(await agreed(host, only('TLSv1.2', cipher))).toEqual({ version: 'TLSv1.2', cipher });
    for (const cipher of OTHERS)
      await expect(agreed(host, only('TLSv1.2', `${cipher}:@SECLEVEL=0`))).rejects.toMatchObject({
        code: expect.stringMatching(/HANDSHAKE_FAILURE$/),
      });
    const { asymmetricKeyType } = await handshake(host, { ca: wire.ca }, (socket) => {
      const key = socket.getPeerX509Certificate()?.publicKey;
      if (key === undefined) throw new Error('the server showed no certificate');
      return key;
    });
    expect(asymmetricKeyType).toBe('rsa');
  }
});

test('R18 TLS 1.3 wins the negotiation', async () => {
  for (const host of hosts)
    expect(await agreed(host, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' })).toMatchObject({ version: 'TLSv1.3' });
});

test('R19 the mTLS endpoints ask for a certificate, and the application decides about it', async () => {
  const tpp = await registerTpp(wire, { token_endpoint_auth_method: 'self_signed_tls_client_auth' });
  expect((await tpp.token({ grant_type: 'client_credentials', scope: 'accounts' })).status).toBe(200);
  const stranger = await selfSignedCertificate({ commonName: 'stranger' }, wire.now());
  expectError(await tpp.token({ grant_type: 'client_credentials', scope: 'accounts' }, { identity: stranger }), [401, 'invalid_client']);
  expectError(await tpp.token({ grant_type: 'client_credentials', scope: 'accounts' }, { identity: null }), [401, 'invalid_client']);
});
