import { X509Certificate } from 'node:crypto';
import type { ConnectionOptions, connect } from 'node:tls';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { makeCertificateOf, type TrustedProxies } from '../../../src/adapters/tls/certificate-of.ts';
import {
  issueClientCertificate,
  issueServerCertificate,
  makeAuthority,
  selfSignedCertificate,
} from '../../../src/adapters/tls/certificates.ts';
import { type Identity, mutualServer } from '../../../src/adapters/tls/servers.ts';
import { connected, listening, now } from './listening.ts';

const validity = { notBefore: now() - 60, notAfter: now() + 7200 };
let ca: Identity;
let identity: Identity;
let tpp: Identity;
let other: Identity;
let stranger: Identity;
beforeAll(async () => {
  ca = await makeAuthority('directory', validity);
  identity = await issueServerCertificate(ca, [{ type: 'dns', value: 'localhost' }], validity);
  tpp = await issueClientCertificate(ca, { commonName: 'tpp' }, now());
  other = await issueClientCertificate(ca, { commonName: 'other' }, now());
  stranger = await selfSignedCertificate({ commonName: 'tpp' }, now());
});

type Format = TrustedProxies['certificateFormat'];
const der = ({ certificate }: Identity) => new X509Certificate(certificate).raw.toString('base64');
const escaped = ({ certificate }: Identity) => encodeURIComponent(certificate);
const WRITTEN: Record<Format, (identity: Identity) => string> = {
  rfc9440: (identity) => `:${der(identity)}:`,
  nginx: escaped,
  envoy: (identity) => `By=spiffe://bank/engine;Hash=abc;Subject="CN=tpp,O=\\"x\\"";Cert="${escaped(identity)}";URI=`,
};

interface Given {
  trusted?: string[];
  format?: Format;
  header?: string | null;
  clientCas?: string[];
  at?: () => number;
  options?: ConnectionOptions;
}

/** What the engine takes for the certificate of a call with these header lines, and which addresses it told of. */
const seen = async (
  lines: readonly string[],
  { trusted = ['127.0.0.1'], format = 'rfc9440', header = 'Client-Cert', ...given }: Given = {},
) => {
  const clientCas = given.clientCas ?? [ca.certificate];
  const forged: string[] = [];
  const certificateOf = makeCertificateOf({
    proxies: { trusted, certificateHeader: header, certificateFormat: format },
    ...{ clientCas, clock: given.at ?? now, onForged: (address) => forged.push(address) },
  });
  const server = mutualServer({ ...identity, clientCas }, {}, (req, res) => {
    const content = JSON.stringify([certificateOf(req), certificateOf(req)]);
    res.setHeader('Content-Length', Buffer.byteLength(content)).end(content);
  });
  const text = await listening(server, (port) =>
    connected(port, { ca: ca.certificate, ...given.options }, async (socket: ReturnType<typeof connect>) => {
      socket.write(`GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`);
      return (await socket.setEncoding('latin1').toArray()).join('');
    }),
  );
  const [, status] = /^HTTP\/1\.1 (\d+)/.exec(text) ?? [];
  if (status !== '200') return { status, certificate: null, forged };
  const [certificate, again] = JSON.parse(text.slice(text.indexOf('\r\n\r\n')));
  expect(again).toEqual(certificate);
  return { status, certificate, forged };
};

const thumbprint = ({ certificate }: Identity) =>
  Buffer.from(new X509Certificate(certificate).fingerprint256.replaceAll(':', ''), 'hex').toString('base64url');

describe.each(Object.keys(WRITTEN) as Format[])('a certificate header in the format %s', (format) => {
  const from = (who: Identity) => [`Client-Cert: ${WRITTEN[format](who)}`];

  test('from a trusted proxy is the certificate of the client, with the trust that a direct one would have', async () => {
    expect((await seen(from(tpp), { format })).certificate).toMatchObject({
      ...{ thumbprint: thumbprint(tpp), subject: 'CN=tpp', chainTrusted: true },
    });
    expect((await seen(from(stranger), { format })).certificate).toMatchObject({ thumbprint: thumbprint(stranger), chainTrusted: false });
    expect((await seen(from(tpp), { format, clientCas: [] })).certificate).toMatchObject({ chainTrusted: false });
    expect((await seen(from(identity), { format })).certificate).toMatchObject({ chainTrusted: false });
    const namesake = await makeAuthority('directory', validity);
    expect((await seen(from(tpp), { format, clientCas: [namesake.certificate] })).certificate).toMatchObject({ chainTrusted: false });
  });

  test('from anybody else is ignored, and told of once', async () => {
    const trusted = ['10.0.0.7', '192.168.0.0/16', '::1'];
    expect(await seen(from(tpp), { format, trusted })).toEqual({ status: '200', certificate: null, forged: ['127.0.0.1'] });
    const options = { cert: other.certificate, key: other.key };
    expect((await seen(from(tpp), { format, trusted, options })).certificate).toMatchObject({ thumbprint: thumbprint(other) });
  });

  test('that is spoiled is no certificate', async () => {
    const good = WRITTEN[format](tpp);
    const half = Math.floor(good.length / 2);
    const spoiled = [
      '',
      ':',
      '::',
      'none',
      '%',
      '%ZZ',
      '(null)',
      good.slice(0, half),
      good.slice(half),
      `${good}${good}`,
      `${good},${good}`,
      `${good}, ${WRITTEN[format](other)}`,
      `${good};a=1,`,
      `x${good}`,
      good.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()),
      WRITTEN[format === 'rfc9440' ? 'nginx' : 'rfc9440'](tpp),
      `:${Buffer.concat([new X509Certificate(tpp.certificate).raw, Buffer.from('more')]).toString('base64')}:`,
      encodeURIComponent(tpp.certificate + other.certificate),
      encodeURIComponent(`Subject: somebody\n${tpp.certificate}`),
      encodeURIComponent(tpp.key),
      `Cert="${escaped(tpp)}";Cert="${escaped(other)}"`,
      `Cert="${escaped(tpp)}`,
      'Cert=',
      tpp.certificate.replaceAll('\n', ' '),
    ];
    for (const value of spoiled) expect([value, (await seen([`Client-Cert: ${value}`], { format })).certificate]).toEqual([value, null]);
  }, 30_000);

  test('that stands twice is no certificate, however it is spelled', async () => {
    const line = WRITTEN[format](tpp);
    for (const twice of [
      [`Client-Cert: ${line}`, `Client-Cert: ${line}`],
      [`client-cert: ${line}`, `CLIENT-CERT: ${WRITTEN[format](other)}`],
      [`Client-Cert: ${line}`, 'Client-Cert:'],
    ])
      expect((await seen(twice, { format })).certificate).toBeNull();
  });
});

describe('a proxy', () => {
  test('is known by its address, alone or in a network, also as a listener for IPv6 shows it', async () => {
    const line = [`client-cert: :${der(tpp)}:`];
    for (const trusted of [['127.0.0.0/8'], ['10.0.0.0/8', '127.0.0.1'], ['0.0.0.0/0']])
      expect((await seen(line, { trusted })).certificate).toMatchObject({ subject: 'CN=tpp' });
    for (const trusted of [['127.0.0.2'], ['128.0.0.0/1'], ['::1'], ['fe80::/10']])
      expect((await seen(line, { trusted })).certificate).toBeNull();
  });

  test('has no certificate of its own here: without the header there is none', async () => {
    expect(await seen([], { options: { cert: other.certificate, key: other.key } })).toEqual({
      status: '200',
      certificate: null,
      forged: [],
    });
  });

  test('speaks in one header only: in others, and where none is set, nobody is believed', async () => {
    for (const name of ['X-SSL-Cert', 'X-Client-Cert', 'client_cert', 'Client_Cert', 'X-Forwarded-Client-Cert', 'Client-Cert-Chain'])
      expect((await seen([`${name}: :${der(tpp)}:`])).certificate).toBeNull();
    expect(await seen([`Client-Cert: :${der(tpp)}:`], { header: null, trusted: [] })).toMatchObject({ certificate: null, forged: [] });
  });

  test('cannot fold a header, nor send one that is too large', async () => {
    expect((await seen([`Client-Cert: :${der(tpp).slice(0, 60)}`, ` ${der(tpp).slice(60)}:`])).certificate).toBeNull();
    expect((await seen([`Client-Cert: :${'A'.repeat(12_000)}:`])).certificate).toBeNull();
    // The server answers 431 and hangs up, so that the rest of what is sent may break the connection first.
    const refused = await seen([`Client-Cert: :${'A'.repeat(65_536)}:`]).catch(({ code }) => ({ status: code }));
    expect(['431', 'ECONNRESET', 'EPIPE']).toContain(refused.status);
  });

  test('does not make an expired certificate good, nor one whose authority has expired trusted', async () => {
    const line = [`Client-Cert: :${der(tpp)}:`];
    expect((await seen(line, { at: () => now() + 366 * 86_400 })).certificate).toBeNull();
    expect((await seen(line, { at: () => validity.notAfter + 1 })).certificate).toMatchObject({ chainTrusted: false });
  });
});
