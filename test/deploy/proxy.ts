import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { makeCertificateOf } from '../../src/adapters/tls/certificate-of.ts';
import {
  issueClientCertificate,
  issueServerCertificate,
  makeAuthority,
  selfSignedCertificate,
} from '../../src/adapters/tls/certificates.ts';
import type { Identity } from '../../src/adapters/tls/servers.ts';
import { loadConfig } from '../../src/config.ts';
import { freePort } from '../support/ports.ts';
import { temporaryFolder } from '../support/served.ts';
import { textOf } from './compose.ts';

// A real HAProxy with deploy/haproxy.cfg, its addresses and paths replaced, before two servers that read certificates as the engine does.

const clock = () => Math.floor(Date.now() / 1000);
const { config } = loadConfig({ file: 'deploy/cluster.toml', env: {}, cwd: `${import.meta.dirname}/../..` });

/** A server in an engine's place: it tells what reached it, and does to a request what `does` says. */
interface StandIn {
  server: Server;
  ready: boolean;
  does: 'answers' | 'hangs up';
  asked: number;
}

let authority: Identity;
let tpp: Identity;
let selfSigned: Identity;
let engines: StandIn[];
let haproxy: ChildProcess;
let ports: [number, number];

beforeAll(async () => {
  const validity = { notBefore: clock() - 60, notAfter: clock() + 86_400 };
  authority = await makeAuthority('A CA', validity);
  const named = (...names: string[]) =>
    issueServerCertificate(
      authority,
      names.map((value) => ({ type: 'dns', value })),
      validity,
    );
  tpp = await issueClientCertificate(authority, { commonName: 'A TPP' }, clock());
  selfSigned = await selfSignedCertificate({ commonName: 'A TPP of its own' }, clock());
  const identity = await named('engine-1', 'engine-2');
  engines = await Promise.all([standIn(identity), standIn(identity)]);
  ports = [await freePort(), await freePort()];
  const front = await named('localhost');
  haproxy = await startProxy(front);
});

afterAll(async () => {
  haproxy.kill('SIGKILL');
  for (const { server } of engines) {
    server.close();
    server.closeAllConnections();
  }
});

beforeEach(async () => {
  for (const engine of engines) Object.assign(engine, { ready: true, does: 'answers', asked: 0 });
  await until(async () => (await Promise.all(Array.from({ length: 8 }, () => call({})))).every(({ status }) => status === 200));
  for (const engine of engines) engine.asked = 0;
});

const standIn = async (identity: Identity): Promise<StandIn> => {
  const certificateOf = makeCertificateOf({
    proxies: { ...config.proxy, trusted: ['127.0.0.1'] },
    clientCas: [authority.certificate],
    clock,
    onForged: () => undefined,
  });
  const server = createServer({ cert: identity.certificate, key: identity.key }, async (req, res) => {
    if (req.url === '/readyz') return void res.writeHead(one.ready ? 200 : 503).end();
    one.asked += 1;
    if (one.does === 'hangs up') return void req.socket.destroy();
    const body = await text(req);
    const { thumbprint = null, chainTrusted = false } = certificateOf(req) ?? {};
    res.end(
      JSON.stringify({
        thumbprint,
        chainTrusted,
        header: req.headers['client-cert'] ?? null,
        length: body.length,
        port: req.socket.localPort,
      }),
    );
  });
  const one: StandIn = { server, ready: true, does: 'answers', asked: 0 };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return one;
};

const portOf = ({ server }: StandIn): number => (server.address() as AddressInfo).port;

const startProxy = async (front: Identity): Promise<ChildProcess> => {
  const folder = temporaryFolder();
  const write = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const healthPort = await freePort();
  const authorities = write('authorities.pem', authority.certificate);
  const settings = textOf('deploy/haproxy.cfg')
    .replaceAll('/run/secrets/proxy_certificate_and_key', write('front.pem', front.certificate + front.key))
    .replaceAll('/run/secrets/client_authorities', authorities)
    .replaceAll('/engine-authority/ca.crt', authorities)
    .replace('maxconn 24000', 'maxconn 500')
    .replace('bind :9446', `bind 127.0.0.1:${ports[0]}`)
    .replace('bind :9447', `bind 127.0.0.1:${ports[1]}`)
    .replace('127.0.0.1:8404', `127.0.0.1:${healthPort}`)
    .replaceAll(/engine-(\d):9446/g, (_, number) => `127.0.0.1:${portOf(engines[number - 1] as StandIn)}`);
  const child = spawn('haproxy', ['-db', '-f', write('haproxy.cfg', settings)], { stdio: ['ignore', 'ignore', 'inherit'] });
  await once(child, 'spawn');
  return child;
};

/** Resolves when it holds; rejects with its last failure after ten seconds. */
const until = async (holds: () => Promise<boolean>): Promise<void> => {
  const last = Date.now() + 10_000;
  for (;;) {
    try {
      if (await holds()) return;
      if (Date.now() > last) throw new Error('it did not come about');
    } catch (error) {
      if (Date.now() > last) throw error;
    }
    await wait(50);
  }
};

interface Call {
  path?: string;
  port?: number;
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  client?: Identity;
}

const call = ({ path = '/', port = ports[0], method = 'GET', headers = {}, body = '', client }: Call) =>
  new Promise<{ status: number; told: Record<string, unknown> | null }>((resolve, reject) => {
    const identity = client && { cert: client.certificate, key: client.key };
    const options = { host: 'localhost', port, path, method, headers, ca: authority.certificate, agent: false as const, ...identity };
    const req = request(options, async (res) => {
      const answer = await text(res);
      resolve({ status: res.statusCode ?? 0, told: res.statusCode === 200 ? JSON.parse(answer) : null });
    });
    req.on('error', reject);
    req.end(body);
  });

const thumbprintOf = ({ certificate }: Identity): string =>
  createHash('sha256')
    .update(Buffer.from(certificate.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64'))
    .digest('base64url');

describe('behind the proxy', () => {
  test('an engine sees the certificate that a client has shown, also one that vouches for itself', async () => {
    const port = ports[1];
    expect((await call({ port, client: tpp })).told).toMatchObject({ thumbprint: thumbprintOf(tpp), chainTrusted: true });
    expect((await call({ port, client: selfSigned })).told).toMatchObject({ thumbprint: thumbprintOf(selfSigned), chainTrusted: false });
    expect((await call({ port })).told).toMatchObject({ thumbprint: null, header: null });
  });

  test('nobody says of himself which certificate he has', async () => {
    const forged = {
      'Client-Cert': `:${Buffer.from(tpp.certificate.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64').toString('base64')}:`,
    };
    expect((await call({ headers: forged })).told).toMatchObject({ thumbprint: null, header: null });
    expect((await call({ port: ports[1], headers: forged })).told).toMatchObject({ thumbprint: null, header: null });
    const own = await call({ port: ports[1], headers: forged, client: selfSigned });
    expect(own.told).toMatchObject({ thumbprint: thumbprintOf(selfSigned) });
    expect((await call({ port: ports[0], headers: { 'client-cert': 'x' }, client: tpp })).told).toMatchObject({ header: null });
  });

  test('nobody sees what is for operators', async () => {
    for (const port of ports) expect((await call({ port, path: '/readyz?verbose' })).status).toBe(404);
  });

  test('a certificate fits beside headers and a body of any length that the engine takes', async () => {
    const headers = { 'X-Long': 'x'.repeat(12_000) };
    const { told } = await call({ port: ports[1], method: 'POST', headers, body: 'b'.repeat(65_000), client: tpp });
    expect(told).toMatchObject({ thumbprint: thumbprintOf(tpp), length: 65_000 });
  });

  test('a session that is taken up again still shows the certificate', async () => {
    const sessions: Buffer[] = [];
    const ask = async (session?: Buffer): Promise<[boolean, string]> => {
      const options = {
        host: 'localhost',
        port: ports[1],
        ca: authority.certificate,
        cert: tpp.certificate,
        key: tpp.key,
        servername: 'localhost',
      };
      const socket: TLSSocket = connect({ ...options, maxVersion: 'TLSv1.2', ...(session && { session }) });
      socket.on('session', (one: Buffer) => sessions.push(one));
      await once(socket, 'secureConnect');
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
      return [socket.isSessionReused(), await text(socket)];
    };
    expect(await ask()).toEqual([false, expect.stringContaining(thumbprintOf(tpp))]);
    expect(await ask(sessions[0])).toEqual([true, expect.stringContaining(thumbprintOf(tpp))]);
  });

  test('an engine that is not ready is asked nothing, and no request fails', async () => {
    const [one, other] = engines as [StandIn, StandIn];
    one.ready = false;
    await until(async () => {
      one.asked = 0;
      await Promise.all(Array.from({ length: 8 }, () => call({})));
      return one.asked === 0;
    });
    other.asked = 0;
    const answers = await Promise.all(Array.from({ length: 20 }, () => call({ method: 'POST', body: 'b' })));
    expect([new Set(answers.map(({ status }) => status)), one.asked, other.asked]).toEqual([new Set([200]), 0, 20]);
  });

  test('a request that changes something reaches one engine once, whatever becomes of it; one that reads is asked again', async () => {
    const [one, other] = engines as [StandIn, StandIn];
    one.does = 'hangs up';
    other.does = 'hangs up';
    const { status } = await call({ method: 'POST', body: 'b' });
    expect([status, one.asked + other.asked]).toEqual([502, 1]);
    other.does = 'answers';
    const reads = await Promise.all(Array.from({ length: 10 }, () => call({})));
    expect(new Set(reads.map((read) => read.status))).toEqual(new Set([200]));
  });

  // The last one: the engine does not come back.
  test('a request finds the other engine when one is gone from one moment to the next', async () => {
    const [one, other] = engines as [StandIn, StandIn];
    one.server.close();
    one.server.closeAllConnections();
    const answers = await Promise.all(Array.from({ length: 10 }, () => call({ method: 'POST', body: 'b' })));
    expect([new Set(answers.map(({ status }) => status)), other.asked]).toEqual([new Set([200]), 10]);
  });
});
