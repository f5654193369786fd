import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { type OutboundSettings, outboundClient } from '../../../src/adapters/outbound/outbound.ts';
import { connectionAttempts, type Host, reasonOf, startCanary } from './hosts.ts';

let canary: Host;
beforeAll(async () => {
  canary = await startCanary();
});
afterAll(() => canary.close());

const PUBLIC = '93.184.215.14';
const names: Record<string, readonly string[]> = {
  'loopback.example': ['127.0.0.1'],
  'loopback6.example': ['::1'],
  'mapped.example': ['::ffff:127.0.0.1'],
  'unspecified.example': ['0.0.0.0'],
  'private.example': ['10.0.0.1'],
  'metadata.example': ['169.254.169.254'],
  'first-public.example': [PUBLIC, '127.0.0.1'],
  'last-public.example': ['127.0.0.1', PUBLIC],
  'other-family.example': [PUBLIC, 'fd00::1'],
  'zone.example': ['fe80::1%lo'],
  'not-an-address.example': ['localhost'],
  'tpp.example': [PUBLIC],
};

/** The client of a production engine that may also call the port of the canary. */
const client = (more: Partial<OutboundSettings> = {}) =>
  outboundClient({
    development: false,
    allowedPorts: [canary.port],
    resolve: async (hostname) => names[hostname] ?? Promise.reject(new Error(`no ${hostname}`)),
    ...more,
  });

// In each URL, PORT stands for the port of the canary.
const CORPUS = {
  address_not_public: [
    'https://127.0.0.1:PORT/',
    'https://127.1:PORT/',
    'https://127.0.1:PORT/',
    'https://127.255.255.254:PORT/',
    'https://0x7f000001:PORT/',
    'https://0x7f.0.0.1:PORT/',
    'https://0x7f.1:PORT/',
    'https://0X7F.0x0.0X0.0x1:PORT/',
    'https://2130706433:PORT/',
    'https://017700000001:PORT/',
    'https://0177.0.0.1:PORT/',
    'https://0177.0.0.01:PORT/',
    'https://00000177.1:PORT/',
    'https://127.0.0.1.:PORT/',
    'https://2130706433.:PORT/',
    'https://%31%32%37.0.0.1:PORT/',
    'https://127%2E0%2e0%2E1:PORT/',
    'https://0:PORT/',
    'https://0.0.0.0:PORT/',
    'https://00.0x0:PORT/',
    'HTTPS://127.0.0.1:PORT/',
    'https://[::1]:PORT/',
    'https://[0:0:0:0:0:0:0:1]:PORT/',
    'https://[::]:PORT/',
    'https://[::ffff:127.0.0.1]:PORT/',
    'https://[::ffff:7f00:1]:PORT/',
    'https://[::FFFF:7F00:0001]:PORT/',
    'https://[::ffff:93.184.215.14]:PORT/',
    'https://[::127.0.0.1]:PORT/',
    'https://[::7f00:1]:PORT/',
    'https://[64:ff9b::127.0.0.1]:PORT/',
    'https://[64:ff9b:1::7f00:1]:PORT/',
    'https://[2002:7f00:1::]:PORT/',
    'https://[2001:0:7f00:1::]:PORT/',
    'https://[fd00:ec2::254]:PORT/',
    'https://[fe80::1]:PORT/',
    'https://[ff02::1]:PORT/',
    'https://169.254.169.254/latest/meta-data/',
    'https://0xa9fea9fe/latest/meta-data/',
    'https://2852039166/latest/meta-data/',
    'https://0251.0376.0251.0376/',
    'https://100.64.0.1/',
    'https://100.100.100.200/',
    'https://168.63.129.16/',
    'https://10.0.0.1/',
    'https://172.16.0.1/',
    'https://192.168.1/',
    'https://192.0.0.192/',
    'https://198.18.0.1/',
    'https://224.0.0.1/',
    'https://255.255.255.255/',
    'https://loopback.example:PORT/',
    'https://LOOPBACK.example:PORT/',
    'https://loopback6.example:PORT/',
    'https://mapped.example:PORT/',
    'https://unspecified.example:PORT/',
    'https://private.example:PORT/',
    'https://metadata.example/',
    'https://first-public.example:PORT/',
    'https://last-public.example:PORT/',
    'https://other-family.example:PORT/',
    'https://zone.example:PORT/',
    'https://not-an-address.example:PORT/',
    'https://127.0.0.1:PORT/#@tpp.example/',
    'https://127.0.0.1:PORT/?@tpp.example/',
  ],
  userinfo: [
    'https://tpp.example@127.0.0.1:PORT/',
    'https://tpp.example:443@127.0.0.1:PORT/',
    'https://tpp.example%2F@127.0.0.1:PORT/',
    'https://127.0.0.1:PORT@tpp.example/',
    'https://user:secret@tpp.example/',
    'https://@127.0.0.1:PORT/',
    'https://:@127.0.0.1:PORT/',
    'https://a@b@127.0.0.1:PORT/',
  ],
  bad_url: [
    '',
    '127.0.0.1:PORT',
    '//127.0.0.1:PORT/',
    'https://',
    'https:///',
    'https:127.0.0.1:PORT/',
    'https:/127.0.0.1:PORT/',
    'https:///127.0.0.1:PORT/',
    'https://tpp.example\\@127.0.0.1:PORT/',
    'https:\\\\127.0.0.1:PORT\\',
    ' https://127.0.0.1:PORT/',
    'https://127.0.0.1:PORT/ ',
    'ht\ntps://127.0.0.1:PORT/',
    'https://127.0.0\t.1:PORT/',
    'https://tpp.example/\r\nHost: 127.0.0.1',
    'https://tpp.example/\u0000',
    'https://127.0.0.1%00.tpp.example/',
    'https://①②⑦.⓪.⓪.①:PORT/',
    'https://１２７.0.0.1:PORT/',
    'https://127。0。0。1:PORT/',
    'https://127．0．0．1:PORT/',
    'https://ⓛocalhost:PORT/',
    'https://loc\u00adalhost:PORT/',
    'https://tpp.exаmple/',
    'https://localhost.:PORT/',
    'https://tpp.example./',
    'https://./',
    'https://1.2.3.4.5/',
    'https://256.0.0.1/',
    'https://127.0.0.0x100/',
    'https://4294967297/',
    'https://[::1%25lo]:PORT/',
    'https://[::1/',
    'https://[127.0.0.1]:PORT/',
    'https://tpp.example:65536/',
    'https://tpp.example:-1/',
    'https://tpp.example/"<>',
    `https://tpp.example/${'a'.repeat(2048)}`,
  ],
  not_https: [
    'http://127.0.0.1:PORT/',
    'http://tpp.example/',
    'http://tpp.example:443/',
    'ftp://127.0.0.1:PORT/',
    'ws://127.0.0.1:PORT/',
    'wss://127.0.0.1:PORT/',
    'gopher://127.0.0.1:PORT/_GET',
    'file:///etc/hosts',
    'data:text/plain,hello',
    'javascript:alert(1)',
    'blob:https://tpp.example/1',
    'unix:/var/run/docker.sock',
    'localhost:PORT',
  ],
  port_not_allowed: [
    'https://tpp.example:22/',
    'https://tpp.example:80/',
    'https://tpp.example:0/',
    'https://tpp.example:8443/',
    'https://127.0.0.1:2375/',
    'https://[::1]:6379/',
  ],
  name_not_resolved: ['https://absent.example:PORT/', 'https://a..example:PORT/', 'https://-:PORT/', 'https://127.0.0.0xg:PORT/'],
} as const;

describe.each(Object.entries(CORPUS))('%s', (reason, urls) => {
  test.each(urls.map((url) => [url]))('%j is refused without a connection', async (written) => {
    const url = written.replace('PORT', String(canary.port));
    const { fetch, check } = client();
    const reasons: string[] = [];
    const attempts = await connectionAttempts(async () => {
      reasons.push(await reasonOf(fetch({ method: 'GET', url })), await reasonOf(fetch({ method: 'POST', url, body: 'x' })));
      reasons.push(await reasonOf(check(url)));
    });
    expect({ reasons, attempts, canary: canary.connections() }).toEqual({ reasons: [reason, reason, reason], attempts: 0, canary: 0 });
  });
});

test('the corpus has more than a hundred URLs', () => expect(Object.values(CORPUS).flat().length).toBeGreaterThan(100));

test('localhost is refused: it is no name of the DNS', async () => {
  const { fetch } = outboundClient({ development: false, allowedPorts: [canary.port] });
  expect(await reasonOf(fetch({ method: 'GET', url: `https://localhost:${canary.port}/` }))).toBe('name_not_resolved');
  expect(canary.connections()).toBe(0);
});

test('loopback is refused however it is written', async () => {
  const radix = fc.constantFrom(
    (n: number) => String(n),
    (n: number) => `0x${n.toString(16)}`,
    (n: number) => `0${n.toString(8)}`,
    (n: number) => `0x0000${n.toString(16)}`,
  );
  const loopback = fc.integer({ min: 0x7f000000, max: 0x7fffffff });
  await fc.assert(
    fc.asyncProperty(
      loopback,
      fc.integer({ min: 1, max: 4 }),
      fc.array(radix, { minLength: 4, maxLength: 4 }),
      async (address, parts, write) => {
        const leading = Array.from({ length: parts - 1 }, (_, index) => (address >>> (24 - 8 * index)) & 0xff);
        const rest = address % 2 ** (32 - 8 * (parts - 1));
        const host = [...leading, rest].map((part, index) => write[index]?.(part)).join('.');
        expect(await reasonOf(client().check(`https://${host}:${canary.port}/`))).toBe('address_not_public');
      },
    ),
    { numRuns: 200 },
  );
});

describe('a name', () => {
  test('that rebinds after the check is resolved once, and the connection goes nowhere else', async () => {
    let asked = 0;
    const resolve = async () => {
      asked += 1;
      // The first address is of a part of 2000::/3 that nobody was given: nobody answers there.
      return asked === 1 ? ['2d00::1'] : ['127.0.0.1'];
    };
    const { fetch } = client({ resolve, timeoutMs: 300 });
    const reason = await reasonOf(fetch({ method: 'GET', url: `https://rebinding.example:${canary.port}/` }));
    expect(['connection_failed', 'timeout']).toContain(reason);
    expect([asked, canary.connections()]).toEqual([1, 0]);
  });

  test('that rebinds after registration is refused at the call', async () => {
    const answers = [[PUBLIC], ['127.0.0.1']];
    const { check, fetch } = client({ resolve: async () => answers.shift() ?? [] });
    const url = `https://rebinding.example:${canary.port}/`;
    await check(url);
    expect(await reasonOf(fetch({ method: 'GET', url }))).toBe('address_not_public');
    expect(canary.connections()).toBe(0);
  });

  test('without addresses is not resolved', async () =>
    expect(await reasonOf(client({ resolve: async () => [] }).check('https://tpp.example/'))).toBe('name_not_resolved'));

  test('is not asked for when the URL holds an address, or is refused for its form', async () => {
    const asked: string[] = [];
    const { check } = client({
      resolve: async (hostname) => {
        asked.push(hostname);
        return [PUBLIC];
      },
    });
    await check(`https://${PUBLIC}/`);
    await reasonOf(check('https://127.1/'));
    await reasonOf(check('http://tpp.example/'));
    expect(asked).toEqual([]);
  });
});

describe('a check', () => {
  test.each(['https://tpp.example/', 'https://TPP.example:443/a?b=c#d', 'https://93.184.215.14/', 'https://[2606:4700:4700::1111]/'])(
    'passes %s without a connection',
    async (url) => expect(await connectionAttempts(() => client().check(url))).toBe(0),
  );

  test('passes a port of the settings', () => client().check(`https://tpp.example:${canary.port}/`));
});

test('a refusal tells nothing of the URL or its addresses', async () => {
  const refusal = await client()
    .check('https://user:secret@private.example/')
    .catch((error: Error) => error);
  const other = await client()
    .check('https://private.example/')
    .catch((error: Error) => error);
  expect([refusal, other].map(String)).toEqual([
    'OutboundRefused: the URL holds a user name or a password',
    'OutboundRefused: the host of the URL is not on the public internet',
  ]);
});

describe('allowed hosts', () => {
  test('stop the start in production', () =>
    expect(() => outboundClient({ development: false, allowedHosts: ['localhost:9999'] })).toThrow('for development only'));

  test.each(['localhost', 'https://localhost:1', 'localhost:1/path', ''])('are written as host:port, unlike %j', (host) =>
    expect(() => outboundClient({ development: true, allowedHosts: [host] })).toThrow('host:port'),
  );

  test('are allowed by name and port, and nothing beside them', async () => {
    const { check } = client({ development: true, allowedHosts: ['loopback.example:9999', '[::1]:9999'] });
    await Promise.all(['https://loopback.example:9999/', 'http://LOOPBACK.example:9999/', 'http://[0::1]:9999/'].map(check));
    const reasons = ['https://loopback.example/', 'https://loopback.example:9998/', 'http://127.0.0.1:9999/', 'https://[::1]/'].map((url) =>
      reasonOf(check(url)),
    );
    expect(await Promise.all(reasons)).toEqual(['address_not_public', 'port_not_allowed', 'not_https', 'address_not_public']);
  });
});

describe('the deadline', () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  test('is 5 s, and holds while a name is resolved', async () => {
    jest.useFakeTimers();
    const reasons: string[] = [];
    const { fetch, check } = client({ resolve: () => new Promise(() => {}) });
    const calls = [fetch({ method: 'GET', url: 'https://tpp.example/' }), check('https://tpp.example/')];
    const ended = Promise.all(calls.map(async (call) => reasons.push(await reasonOf(call))));
    await jest.advanceTimersByTimeAsync(4999);
    expect(reasons).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);
    await ended;
    expect(reasons).toEqual(['timeout', 'timeout']);
  });

  test('lets no connection be opened after it', async () => {
    const resolving = Promise.withResolvers<string[]>();
    const { fetch } = client({
      development: true,
      allowedHosts: [`late.example:${canary.port}`],
      resolve: () => resolving.promise,
      timeoutMs: 1,
    });
    expect(await reasonOf(fetch({ method: 'GET', url: `https://late.example:${canary.port}/` }))).toBe('timeout');
    const attempts = await connectionAttempts(async () => {
      resolving.resolve(['127.0.0.1']);
      await new Promise(setImmediate);
    });
    expect([attempts, canary.connections()]).toEqual([0, 0]);
  });
});

// Last in the file: the others count on a canary that has seen nothing.
test('the canary and the hook see a connection when there is one', async () => {
  const { fetch } = client({ development: true, allowedHosts: [`127.0.0.1:${canary.port}`] });
  const attempts = await connectionAttempts(() => fetch({ method: 'GET', url: `http://127.0.0.1:${canary.port}/` }));
  expect([attempts, canary.connections()]).toEqual([1, 1]);
});
