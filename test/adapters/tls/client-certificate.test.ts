import { execFile } from 'node:child_process';
import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { calculateJwkThumbprint, exportJWK } from 'jose';
import {
  issueClientCertificate,
  issueServerCertificate,
  makeAuthority,
  selfSignedCertificate,
} from '../../../src/adapters/tls/certificates.ts';
import { clientCertificate } from '../../../src/adapters/tls/client-certificate.ts';
import { type Identity, mutualServer } from '../../../src/adapters/tls/servers.ts';
import { ask, connected, listening, now } from './listening.ts';

const validity = { notBefore: now() - 60, notAfter: now() + 7200 };
const TPP = {
  commonName: '1g7yUiOr3p0QFnAB1UvInE',
  organization: 'Open, "Banking"',
  organizationIdentifier: 'PSDGB-FCA-123',
  country: 'GB',
};
let ca: Identity;
let identity: Identity;
let tpp: Identity;
let stranger: Identity;
beforeAll(async () => {
  ca = await makeAuthority('directory', validity);
  identity = await issueServerCertificate(ca, [{ type: 'dns', value: 'localhost' }], validity);
  tpp = await issueClientCertificate(ca, TPP, now());
  stranger = await selfSignedCertificate({ ...TPP, keyType: 'EC' }, now());
});

const server = (clientCas = [ca.certificate], at = now) =>
  mutualServer({ ...identity, clientCas }, {}, (req, res) => {
    const content = JSON.stringify(clientCertificate(req.socket as TLSSocket, at()));
    res.setHeader('Content-Length', Buffer.byteLength(content)).end(content);
  });

const seen = ({ certificate, key }: Partial<Identity>, clientCas?: string[], at?: () => number) =>
  listening(server(clientCas, at), (port) => connected(port, { ca: ca.certificate, cert: certificate, key }, ask));

describe('the certificate of a client', () => {
  test('is trusted when a known authority issued it', async () => {
    const x509 = new X509Certificate(tpp.certificate);
    expect(await seen(tpp)).toEqual({
      thumbprint: createHash('sha256').update(x509.raw).digest('base64url'),
      publicKeyThumbprint: await calculateJwkThumbprint(await exportJWK(createPublicKey(tpp.key))),
      chainTrusted: true,
      subject: 'CN=1g7yUiOr3p0QFnAB1UvInE,organizationIdentifier=PSDGB-FCA-123,O=Open\\, \\"Banking\\",C=GB',
      sanDns: [],
      sanUri: [],
      sanIp: [],
      sanEmail: [],
      notBefore: x509.validFromDate.getTime() / 1000,
      notAfter: x509.validToDate.getTime() / 1000,
    });
  });

  test('is seen but not trusted when it is self-signed', async () => {
    expect(await seen(stranger)).toMatchObject({
      chainTrusted: false,
      publicKeyThumbprint: await calculateJwkThumbprint(await exportJWK(createPublicKey(stranger.key))),
    });
  });

  test('is null when there is none', async () => expect(await seen({})).toBeNull());

  test('is not trusted when nobody is', async () => {
    expect(await seen(tpp, [])).toMatchObject({ chainTrusted: false });
  });

  test('is not trusted when another authority of the same name issued it', async () => {
    const namesake = await makeAuthority('directory', validity);
    expect(await seen(await issueClientCertificate(namesake, TPP, now()))).toMatchObject({ chainTrusted: false });
  });

  test('is not trusted when it was issued for servers', async () => {
    expect(await seen(identity)).toMatchObject({ chainTrusted: false, sanDns: ['localhost'] });
  });

  test('is null when it has expired or is not valid yet, self-signed or not', async () => {
    const past = { commonName: 'past', notBefore: now() - 7200, notAfter: now() - 3600 };
    const future = { commonName: 'future', notBefore: now() + 3600, notAfter: now() + 7200 };
    expect(await seen(await selfSignedCertificate(past, now()))).toBeNull();
    expect(await seen(await selfSignedCertificate(future, now()))).toBeNull();
    expect(await seen(await issueClientCertificate(ca, past, now()))).toBeNull();
  });

  test('expires on an open connection, too', async () => {
    expect(await seen(tpp, undefined, () => now() + 366 * 86_400)).toBeNull();
  });

  test('names what its subject alternative names say, in the forms that compare', async () => {
    const named = await issueClientCertificate(
      ca,
      {
        commonName: 'tpp',
        alternativeNames: [
          { type: 'dns', value: 'TPP.example' },
          { type: 'dns', value: 'x.example, DNS:bank.example' },
          { type: 'url', value: 'https://tpp.example/a,b?c="d"' },
          { type: 'ip', value: '192.0.2.1' },
          { type: 'ip', value: '2001:0db8:0:0:0:0:0:0005' },
          { type: 'email', value: 'Ops@tpp.example' },
        ],
      },
      now(),
    );
    expect(await seen(named)).toMatchObject({
      sanDns: ['tpp.example', 'x.example, dns:bank.example'],
      sanUri: ['https://tpp.example/a,b?c="d"'],
      sanIp: ['192.0.2.1', '2001:db8::5'],
      sanEmail: ['Ops@tpp.example'],
    });
  });

  test('is read once per connection', async () => {
    const found: unknown[] = [];
    const keeping = mutualServer({ ...identity, clientCas: [] }, {}, (req, res) => {
      found.push(clientCertificate(req.socket as TLSSocket, now()));
      res.setHeader('Content-Length', 2).end('{}');
    });
    await listening(keeping, (port) =>
      connected(port, { ca: ca.certificate, cert: tpp.certificate, key: tpp.key }, async (socket) => {
        socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
        await once(socket, 'data');
        await ask(socket);
      }),
    );
    expect(found).toHaveLength(2);
    expect(found[0]).not.toBeNull();
    expect(found[1]).toBe(found[0]);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('is the same when the session is resumed under %s', async (maxVersion) => {
    const mine = { ca: ca.certificate, cert: tpp.certificate, key: tpp.key, maxVersion };
    await listening(server(), async (port) => {
      const [session, before] = await connected(port, mine, async (socket) => {
        const sessions = [socket.getSession()];
        socket.on('session', (ticket) => sessions.push(ticket));
        const answer = await ask(socket);
        return [sessions.at(-1), answer];
      });
      const [resumed, after] = await connected(port, { ...mine, session }, async (socket) => [socket.isSessionReused(), await ask(socket)]);
      expect(before).toMatchObject({ chainTrusted: true });
      expect([resumed, after]).toEqual([true, before]);
    });
  });
});

test('the certificate request names no authorities, so that clients which obey it send self-signed certificates', async () => {
  const request = await listening(server(), (port) =>
    Promise.all(
      ['-tls1_2', '-tls1_3'].map(async (version) => {
        const client = promisify(execFile)('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, version]);
        client.child.stdin?.end();
        return (await client).stdout;
      }),
    ),
  );
  expect(request).toEqual([
    expect.stringMatching('No client certificate CA names sent'),
    expect.stringMatching('No client certificate CA names sent'),
  ]);
});
