import { randomUUID } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type KurrentdbSettings, kurrentdbEventStore } from '../../src/adapters/event-store/kurrentdb.ts';
import { addressIn, WrongConnectionString } from '../../src/adapters/event-store/kurrentdb-address.ts';
import { issueServerCertificate, makeAuthority } from '../../src/adapters/tls/certificates.ts';
import { type EventStore, StoreUnavailable } from '../../src/domain/ports/event-store.ts';
import { type KurrentdbCluster, kurrentdbCluster } from '../support/kurrentdb-server/cluster.ts';
import { settingsFor } from '../support/kurrentdb-server/settings.ts';
import { newEvents } from '../support/new-events.ts';

const HOUR = 3600;
const now = Math.floor(Date.now() / 1000);
const validity = { notBefore: now - HOUR, notAfter: now + HOUR };
const user = { username: 'engine', password: `p:${randomUUID()}@/ü` };

let ca: Buffer;
let tls: { certificate: string; key: string };
beforeAll(async () => {
  const authority = await makeAuthority('Cluster CA', validity);
  ca = Buffer.from(authority.certificate);
  tls = await issueServerCertificate(authority, [{ type: 'ip', value: '127.0.0.1' }], validity);
});

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

const securedCluster = async (nodes = 1): Promise<KurrentdbCluster> => {
  const cluster = await kurrentdbCluster({ nodes, tls, user });
  opened.push({ close: () => cluster.stop() });
  return cluster;
};

const open = (connectionString: string, given: Partial<KurrentdbSettings>): EventStore => {
  const store = kurrentdbEventStore(settingsFor(connectionString, { ca, requireTls: true, ...given }));
  opened.push(store);
  return store;
};

describe('a cluster with TLS', () => {
  test.each([1, 3])('of %d nodes is called by those who trust its authority and know the password', async (nodes) => {
    const { connectionString } = await securedCluster(nodes);
    const store = open(connectionString, { credentials: user });
    expect(await store.append('a-1', newEvents(1), -1)).toMatchObject({ revision: 0 });
    expect(await store.read('a-1')).toHaveLength(1);
  });

  test('takes the password in the connection string', async () => {
    const { connectionString } = await securedCluster();
    const named = connectionString.replace('://', `://${encodeURIComponent(user.username)}:${encodeURIComponent(user.password)}@`);
    expect(await open(named, {}).head()).toBe(0);
  });

  test('refuses another password, and neither is told', async () => {
    const { connectionString } = await securedCluster();
    const secret = `wrong-${randomUUID()}`;
    const store = open(connectionString, { credentials: { ...user, password: secret } });
    const error: Error = await store.head().then(
      () => new Error('it was let in'),
      (refusal) => refusal,
    );
    expect(error.message).toBe('16 UNAUTHENTICATED: Unauthenticated');
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(secret);
  });

  test('is not called by those who do not know its authority', async () => {
    const { connectionString, node } = await securedCluster();
    const store = open(connectionString, { ca: null, credentials: user, deadlineMs: 100 });
    await expect(store.head()).rejects.toThrow(StoreUnavailable);
    expect(node.calls()).toBe(0);
  });
});

describe('a connection string', () => {
  test.each<[string, ReturnType<typeof addressIn>]>([
    ['kurrentdb://one', { hosts: [{ address: 'one', port: 2113 }], discover: false, tls: true, credentials: null }],
    ['esdb://127.0.0.1:2114?tls=false', { hosts: [{ address: '127.0.0.1', port: 2114 }], discover: false, tls: false, credentials: null }],
    [
      ' kurrentdb+discover://u:p%40%3A@cluster.bank.example:2113/?tls=true\n',
      {
        hosts: [{ address: 'cluster.bank.example', port: 2113 }],
        discover: true,
        tls: true,
        credentials: { username: 'u', password: 'p@:' },
      },
    ],
    [
      'kdb://one,two:1,[::1]:2',
      {
        hosts: [
          { address: 'one', port: 2113 },
          { address: 'two', port: 1 },
          { address: '[::1]', port: 2 },
        ],
        discover: false,
        tls: true,
        credentials: null,
      },
    ],
  ])('names the nodes: %s', (text, address) => expect(addressIn(text)).toEqual(address));

  test.each([
    'https://u:secret@one:2113',
    'kurrentdb://u:secret@',
    'kurrentdb://u:secret@one:port',
    'kurrentdb://u:secret@one:99999',
    'kurrentdb://u:secret@one?tls=no',
    'kurrentdb://u:secret@one?tls=true&tlsVerifyCert=false',
    'kurrentdb://u:secret%@one',
    'one:2113',
  ])('that cannot be used is refused, without saying what it holds: %s', (text) => {
    const refused = expect(() => addressIn(text));
    refused.toThrow(WrongConnectionString);
    refused.not.toThrow(/secret/);
  });

  test('without TLS is refused where it is required', () =>
    expect(() => open('kurrentdb://one?tls=false', {})).toThrow('tls=false is for development only'));
});
