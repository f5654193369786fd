import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { pipeline } from 'node:stream';
import type { TLSSocket } from 'node:tls';
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

test('a key that has no JWK has no thumbprint either', () => {
  const socket = { authorized: false, getPeerX509Certificate: () => new X509Certificate(BRAINPOOL) } as TLSSocket;
  expect(clientCertificate(socket, now())).toMatchObject({ publicKeyThumbprint: null, subject: 'CN=brainpool' });
});

test('the certificate request names no authorities, so that clients which obey it send self-signed certificates', async () => {
  const other = await makeAuthority('only for clients', validity);
  const sent = await listening(server([other.certificate]), async (port) => {
    const bytes: Buffer[] = [];
    const tap = createServer((client) => {
      const upstream = connect(port, '127.0.0.1').on('data', (chunk) => bytes.push(chunk));
      pipeline(client, upstream, client, () => tap.close());
    }).listen(0, '127.0.0.1');
    await once(tap, 'listening');
    // Up to TLS 1.2 this part of the handshake is not encrypted.
    await connected((tap.address() as AddressInfo).port, { ca: ca.certificate, maxVersion: 'TLSv1.2' }, () => {});
    return Buffer.concat(bytes).toString('latin1');
  });
  expect(sent).toContain('localhost');
  expect(sent).not.toContain('only for clients');
});

const BRAINPOOL = `-----BEGIN CERTIFICATE-----
MIIBgDCCASagAwIBAgIUP2H2ZLEpyr5FZvkvKIxehs8isBowCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJYnJhaW5wb29sMCAXDTI2MTEyMjE4MDcxOFoYDzIxMjYxMDI5
MTgwNzE4WjAUMRIwEAYDVQQDDAlicmFpbnBvb2wwWjAUBgcqhkjOPQIBBgkrJAMD
AggBAQcDQgAELc7UshGQwC3DJXCkVqzJrGzVjxODlFWi4OWpmKia12YMv70PQ+/F
XxSyxCRUwZYEjxp9xi31wJIYg5PHqn5UiqNTMFEwHQYDVR0OBBYEFFJ1HTW4dXsV
DaUHL2rNOgv39Ul9MB8GA1UdIwQYMBaAFFJ1HTW4dXsVDaUHL2rNOgv39Ul9MA8G
A1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAJQQ/n2ccSeQKIWMSFae
6FEdw9IJtCXSQtNi4Et7yM3dAiAxlLjpEPJqy8+vTZSWULjc0DUYL6h9+oIcq5gv
G17llw==
-----END CERTIFICATE-----`;
