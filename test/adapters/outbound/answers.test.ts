import { execFile } from 'node:child_process';
import type { IncomingHttpHeaders, RequestListener, ServerResponse } from 'node:http';
import type { ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type OutboundSettings, outboundClient } from '../../../src/adapters/outbound/outbound.ts';
import type { OutboundRequest } from '../../../src/domain/ports/outbound.ts';
import { type Host, reasonOf, startCanary, startHttp, startHttps, startRaw, testIdentity } from './hosts.ts';

let identity: Awaited<ReturnType<typeof testIdentity>>;
let canary: Host;
beforeAll(async () => {
  identity = await testIdentity();
  canary = await startCanary();
});
afterAll(() => canary.close());

const hosts: Host[] = [];
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.close()));
});

/** A host that the client may call, and a call to it by the name in its certificate. */
const calling = (host: Host, more: Partial<OutboundSettings> = {}) => {
  hosts.push(host);
  const allowedHosts = ['localhost', '127.0.0.1', 'tpp.example', 'other.example'].map((name) => `${name}:${host.port}`);
  const resolve = async () => ['127.0.0.1'];
  const { fetch } = outboundClient({ development: true, allowedHosts, ca: identity.ca, resolve, ...more });
  return {
    host,
    call: (request: Partial<OutboundRequest> = {}) => fetch({ method: 'GET', url: `https://tpp.example:${host.port}/`, ...request }),
  };
};

const answering = async (handler: RequestListener, more?: Partial<OutboundSettings>, options?: ServerOptions) =>
  calling(await startHttps(identity, handler, options), more);

/** A TLS host that answers each request with these bytes and leaves the connection open. */
const saying = (bytes: string | Buffer, more?: Partial<OutboundSettings>) => answering(({ socket }) => socket.write(bytes), more);

const TLS_1_1 = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
const IMPATIENT = { timeoutMs: 150 };

describe('an answer', () => {
  test('comes with its status, headers in lower case, and body', async () => {
    const { call, host } = await answering((_req, res) => {
      res.writeHead(
        404,
        [
          ['X-Thing', 'a'],
          ['X-Thing', 'b'],
          ['Set-Cookie', 'c=1'],
          ['Set-Cookie', 'd=2'],
        ].flat(),
      );
      res.end('{"ü":1}');
    });
    expect(await call()).toEqual({
      status: 404,
      headers: expect.objectContaining({ 'x-thing': 'a, b', 'set-cookie': 'c=1, d=2' }),
      body: '{"ü":1}',
    });
    expect(host.serverNames).toEqual(['tpp.example']);
  });

  test('may be without content', async () => {
    const { call } = await answering((_req, res) => res.writeHead(204).end());
    expect(await call({ method: 'POST', body: '{}' })).toMatchObject({ status: 204, body: '' });
  });

  test('may be as long as the limit, and no longer, with its length told or not', async () => {
    const { call } = await answering(({ url = '' }, res) => {
      const [, told, length] = url.split('/');
      if (told === 'told') res.setHeader('content-length', Number(length));
      else res.flushHeaders();
      res.end('a'.repeat(Number(length)));
    });
    const at = (path: string, maxBytes?: number) => ({
      url: `https://tpp.example:${hosts[0]?.port}/${path}`,
      ...(maxBytes !== undefined && { maxBytes }),
    });
    for (const told of ['told', 'untold']) {
      expect((await call(at(`${told}/65536`))).body).toHaveLength(65_536);
      expect(await reasonOf(call(at(`${told}/65537`)))).toBe('too_large');
      expect((await call(at(`${told}/1024`, 1024))).body).toHaveLength(1024);
      expect(await reasonOf(call(at(`${told}/1025`, 1024)))).toBe('too_large');
    }
  });

  test('may come over http from an allowed host in development', async () => {
    const { call, host } = calling(await startHttp((_req, res) => res.end('plain')));
    expect(await call({ url: `http://localhost:${host.port}/` })).toMatchObject({ status: 200, body: 'plain' });
  });

  test('may come from an address that stands in the URL and in the certificate', async () => {
    const { call, host } = await answering((_req, res) => res.end('here'));
    expect(await call({ url: `https://127.0.0.1:${host.port}/` })).toMatchObject({ body: 'here' });
    expect(host.serverNames).toEqual(['']);
  });
});

describe('a request', () => {
  const echo: RequestListener = async (req, res) => {
    const { method, url, headers } = req;
    res.end(JSON.stringify({ method, url, headers, body: await text(req) }));
  };
  const seen = (body: string): { headers: IncomingHttpHeaders } => JSON.parse(body);

  test('carries its method, path, headers and body', async () => {
    const { call, host } = await answering(echo);
    const { body } = await call({
      method: 'POST',
      url: `https://tpp.example:${host.port}/cb?a=b&c=%2F#fragment`,
      headers: { Authorization: 'Bearer token', 'Content-Type': 'application/json' },
      body: '{"auth_req_id":"ü"}',
    });
    expect(JSON.parse(body)).toEqual({
      method: 'POST',
      url: '/cb?a=b&c=%2F',
      headers: {
        authorization: 'Bearer token',
        'content-type': 'application/json',
        'content-length': '20',
        'accept-encoding': 'identity',
        connection: 'keep-alive',
        host: `tpp.example:${host.port}`,
      },
      body: '{"auth_req_id":"ü"}',
    });
  });

  test('keeps the headers that are the client’s own', async () => {
    const { call, host } = await answering(echo);
    const headers = {
      Host: 'other.example',
      Connection: 'keep-alive',
      'Accept-Encoding': 'gzip',
      'Content-Length': '1',
      'Transfer-Encoding': 'x',
    };
    expect(seen((await call({ method: 'POST', headers, body: 'four' })).body).headers).toEqual({
      host: `tpp.example:${host.port}`,
      connection: 'keep-alive',
      'accept-encoding': 'identity',
      'content-length': '4',
    });
  });

  test('takes the connection of the one before, where the host kept it', async () => {
    const { call, host } = await answering((_req, res) => res.setHeader('connection', 'keep-alive').end());
    for (let calls = 0; calls < 3; calls += 1) await call();
    expect(host.connections()).toBe(1);
  });

  test('takes a new connection where the host did not', async () => {
    const { call, host } = await answering((_req, res) => res.setHeader('connection', 'close').end());
    for (let calls = 0; calls < 3; calls += 1) await call();
    expect(host.connections()).toBe(3);
  });

  test('is sent again when the host had closed the connection in the meantime', async () => {
    let answered = 0;
    const { call, host } = await answering((req, res) => {
      answered += 1;
      if (answered === 2) req.socket.destroy();
      else res.end('done');
    });
    await call();
    expect(await call()).toMatchObject({ body: 'done' });
    expect(host.connections()).toBe(2);
  });

  test('goes where its own check has found the host, and nowhere that a later answer names', async () => {
    const resolved: string[] = [];
    const resolve = async (hostname: string) => [resolved.push(hostname) === 1 ? '127.0.0.1' : '127.0.0.2'];
    const { call } = await answering((_req, res) => res.end('first'), { resolve });
    expect(await call()).toMatchObject({ body: 'first' });
    expect(resolved).toEqual(['tpp.example']);
  });

  test('tries the next address when the first does not take the connection', async () => {
    const { call } = await answering((_req, res) => res.end('second'), { resolve: async () => ['127.0.0.9', '127.0.0.1'] });
    expect(await call()).toMatchObject({ body: 'second' });
  });
});

describe('a redirect', () => {
  test.each([300, 301, 302, 303, 304, 305, 307, 308, 399])('%d to loopback is refused and not followed', async (status) => {
    for (const location of [`http://127.0.0.1:${canary.port}/`, `https://127.0.0.1:${canary.port}/`, `//127.1:${canary.port}`]) {
      const { call, host } = await answering((_req, res) => res.writeHead(status, { location }).end());
      expect(await reasonOf(call())).toBe('redirect');
      expect(await reasonOf(call({ method: 'POST', body: 'x' }))).toBe('redirect');
      expect([host.connections(), canary.connections()]).toEqual([2, 0]);
    }
  });

  test.each(['Location', 'Refresh', 'Content-Location', 'Alt-Svc', 'Link'])('that a 200 hints at with %s is not followed', async (name) => {
    const { call } = await answering((_req, res) => res.setHeader(name, `https://127.0.0.1:${canary.port}/`).end('here'));
    expect(await call()).toMatchObject({ status: 200, body: 'here' });
    expect(canary.connections()).toBe(0);
  });
});

/** Writes for as long as it is read from. */
const endlessly = (res: ServerResponse | Socket, chunk: string): void => {
  const more = () => {
    while (!res.destroyed && res.write(chunk));
  };
  res.on('drain', more).on('error', () => undefined);
  more();
};

/** Writes a little every 10 ms until the other side has left. */
const dripping = (socket: Socket, drop: string): void => {
  const timer = setInterval(() => socket.write(drop), 10);
  socket.on('error', () => undefined).on('close', () => clearInterval(timer));
};

describe('too much is refused', () => {
  test('an endless body', async () => {
    const { call } = await answering((_req, res) => endlessly(res, 'a'.repeat(16_384)));
    expect(await reasonOf(call())).toBe('too_large');
  });

  test('an endless body behind headers that end a connection', async () => {
    const { call } = await answering(({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      endlessly(socket, 'a'.repeat(16_384));
    });
    expect(await reasonOf(call())).toBe('too_large');
  });

  test('a header that is too long', async () => {
    const { call } = await saying(`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(17_000)}\r\n\r\n`);
    expect(await reasonOf(call())).toBe('too_large');
  });

  test('endless headers', async () => {
    const { call } = await answering(({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      endlessly(socket, 'X: aaaaaaaaaaaaaaaa\r\n'.repeat(100));
    });
    expect(await reasonOf(call())).toBe('too_large');
  });

  test('endless trailers', async () => {
    const { call } = await answering(({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n');
      endlessly(socket, 'X: aaaaaaaaaaaaaaaa\r\n'.repeat(100));
    });
    expect(await reasonOf(call())).toBe('too_large');
  });
});

test.each([
  ['redirect', 'HTTP/1.1 302 Found\r\nContent-Length: 10\r\n\r\n'],
  ['content_encoding', 'HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 10\r\n\r\n'],
  ['too_large', 'HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n'],
])('a refusal for %s closes the connection that the host keeps open', async (reason, bytes) => {
  const closed = Promise.withResolvers<void>();
  const { call } = await answering(({ socket }) => socket.on('close', closed.resolve).write(bytes));
  expect(await reasonOf(call())).toBe(reason);
  await closed.promise;
});

describe('a compressed answer is refused', () => {
  test.each(['gzip', 'deflate', 'br', 'zstd', 'identity, gzip', 'x-gzip'])('as %s', async (coding) => {
    const { call } = await answering((_req, res) => res.setHeader('content-encoding', coding).end(gzipSync('a'.repeat(1_000_000))));
    expect(await reasonOf(call())).toBe('content_encoding');
  });

  test('but not one whose coding is identity', async () => {
    const { call } = await answering((_req, res) => res.setHeader('content-encoding', 'Identity').end('a'));
    expect(await call()).toMatchObject({ body: 'a' });
  });

  test('and bytes that only look compressed stay as they are', async () => {
    const { call } = await answering((_req, res) => res.end(gzipSync('a'.repeat(1_000_000))));
    expect((await call()).body.length).toBeLessThan(2000);
  });
});

describe('an answer of which only the status counts', () => {
  const page = 'a'.repeat(2000);
  const statusOf = async (handler: RequestListener) => {
    const { call } = await answering(handler, IMPATIENT);
    return call({ statusOnly: true, maxBytes: 1000 });
  };
  const head = 'HTTP/1.1 503 Unavailable\r\n';

  test.each<[string, RequestListener]>([
    ['without content', (_req, res) => res.writeHead(503).end()],
    ['with a page that is too long, and says so', (_req, res) => res.writeHead(503, { 'content-length': page.length }).end(page)],
    ['with a page that is too long, and does not say so', (_req, res) => res.writeHead(503).end(page)],
    ['with a compressed page', (_req, res) => res.writeHead(503, { 'content-encoding': 'gzip' }).end(gzipSync(page))],
    ['with a page that is cut off', ({ socket }) => socket.end(`${head}Content-Length: 10\r\n\r\nabc`)],
    ['with a page that stops', ({ socket }) => socket.write(`${head}Content-Length: 10\r\n\r\nabc`)],
    ['with a chunk that is none', ({ socket }) => socket.write(`${head}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`)],
    ['with a page without end', (_req, res) => endlessly(res.writeHead(503), page)],
  ])('may come %s', async (_name, handler) => expect(await statusOf(handler)).toMatchObject({ status: 503, body: '' }));

  test.each<[string, RequestListener]>([
    ['has no end', (_req, res) => endlessly(res, page)],
    [
      'drips',
      ({ socket }) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n');
        dripping(socket, 'a');
      },
    ],
  ])('loses its connection when its body %s', async (_name, handler) => {
    const closed = Promise.withResolvers<void>();
    expect(
      await statusOf((req, res) => {
        req.socket.on('close', closed.resolve);
        handler(req, res);
      }),
    ).toMatchObject({ status: 200 });
    await closed.promise;
  });

  test('keeps its connection when its body is short', async () => {
    const { call, host } = await answering((_req, res) => res.end('{}'));
    for (let calls = 0; calls < 3; calls += 1) {
      await call({ statusOnly: true });
      // The end of the body comes a little after the answer.
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(host.connections()).toBe(1);
  });

  test('is refused and not followed when it is a redirect', async () => {
    const location = `https://127.0.0.1:${canary.port}/`;
    expect(await reasonOf(statusOf((_req, res) => res.writeHead(302, { location }).end(page)))).toBe('redirect');
    expect(canary.connections()).toBe(0);
  });

  test.each([
    ['connection_failed', 'HTTP/1.1 200 OK\r\n'],
    ['bad_response', 'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n'],
  ])('is none when its header is broken (%s)', async (reason, bytes) => {
    expect(await reasonOf(statusOf(({ socket }) => socket.end(bytes)))).toBe(reason);
  });
});

describe('what is slow is cut off', () => {
  const slow: Record<string, RequestListener> = {
    'no answer': () => {},
    'a slow header': ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nX: ');
      dripping(socket, 'a');
    },
    'a slow drip': ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n');
      dripping(socket, 'a');
    },
    'a body that stops': ({ socket }) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'),
    'endless interim answers': ({ socket }) => dripping(socket, 'HTTP/1.1 103 Early Hints\r\n\r\n'),
    'a switch of protocols': ({ socket }) =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n'),
  };
  test.each(Object.entries(slow))('%s', async (_name, handler) => {
    const closed = Promise.withResolvers<void>();
    const listener: RequestListener = (req, res) => {
      req.socket.on('close', closed.resolve);
      handler(req, res);
    };
    const { call } = await answering(listener, IMPATIENT);
    expect(await reasonOf(call())).toBe('timeout');
    await closed.promise;
  });

  test('a handshake that never comes', async () => {
    const { call } = calling(await startRaw(() => {}), IMPATIENT);
    expect(await reasonOf(call())).toBe('timeout');
  });
});

describe('a host that proves nothing has failed', () => {
  test('with a certificate of an authority that is not trusted', async () => {
    const stranger = await testIdentity();
    const served: string[] = [];
    const { call } = calling(await startHttps(stranger, ({ url = '' }) => served.push(url)));
    expect(await reasonOf(call())).toBe('tls_failed');
    expect(served).toEqual([]);
  });

  test('with a certificate for another name', async () => {
    const { call, host } = await answering((_req, res) => res.end());
    expect(await reasonOf(call({ url: `https://other.example:${host.port}/` }))).toBe('tls_failed');
  });

  test('with TLS 1.1', async () => {
    const { call } = await answering((_req, res) => res.end(), {}, TLS_1_1);
    expect(await reasonOf(call())).toBe('tls_failed');
  });

  test('when it asks for a client certificate', async () => {
    const { call } = await answering((_req, res) => res.end(), {}, { requestCert: true, rejectUnauthorized: true });
    expect(await reasonOf(call())).toBe('tls_failed');
  });

  test('without TLS', async () => {
    const { call } = calling(await startRaw((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n')));
    expect(await reasonOf(call())).toBe('tls_failed');
  });

  test('when it hangs up in the handshake', async () => {
    const { call } = calling(await startRaw((socket) => socket.destroy()));
    expect(await reasonOf(call())).toBe('tls_failed');
  });
});

test('the environment of the process decides nothing', async () => {
  const good = await startHttps(identity, (_req, res) => res.end());
  const old = await startHttps(identity, (_req, res) => res.end(), TLS_1_1);
  const long = await startHttps(identity, ({ socket }) => socket.write(`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(17_000)}\r\n\r\n`));
  hosts.push(good, old, long);
  const proxy = `http://127.0.0.1:${canary.port}`;
  const env = {
    ...process.env,
    NODE_TLS_REJECT_UNAUTHORIZED: '0',
    NODE_OPTIONS: '--no-warnings --tls-min-v1.0 --tls-cipher-list=DEFAULT@SECLEVEL=0 --max-http-header-size=100000',
    NODE_USE_ENV_PROXY: '1',
    HTTPS_PROXY: proxy,
    HTTP_PROXY: proxy,
  };
  const script = fileURLToPath(new URL('call-each.ts', import.meta.url));
  const ports = [good, old, long].map(({ port }) => String(port));
  const { stdout } = await promisify(execFile)(process.execPath, [script, identity.ca, ...ports], { env });
  expect(JSON.parse(stdout)).toEqual([200, 'tls_failed', 'tls_failed', 'tls_failed', 'too_large', 'tls_failed']);
  expect(canary.connections()).toBe(0);
});

describe('a broken answer has failed', () => {
  test.each([
    ['no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['a length that is none', 'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na'],
    ['a length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n'],
    ['a chunk that is none, in one piece with its header', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'],
  ])('by %s', async (_name, bytes) => {
    const { call } = await saying(bytes);
    expect(await reasonOf(call())).toBe('bad_response');
  });

  test.each(['', 'HTTP/1.1 200 OK\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'])('by ending early: %j', async (bytes) => {
    const { call } = await answering(({ socket }) => socket.end(bytes));
    expect(await reasonOf(call())).toBe('connection_failed');
  });

  test('when nobody listens', async () => {
    const { call, host } = await answering(() => {});
    await host.close();
    hosts.length = 0;
    expect(await reasonOf(call())).toBe('connection_failed');
  });
});
