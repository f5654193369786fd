import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Connection, post } from './connection.ts';
import { percent, quantile, table } from './figures.ts';
import { type How, LOAD_CORE, type Measurement, newFolder, SERVER_CORE, withStarted } from './measure.ts';
import { expectJson } from './tpp.ts';

/** What was written at one node, how long that took, and how long it then took until the other node answered with it: milliseconds. */
interface ReadYourWrites {
  what: string;
  written: number[];
  answered: number[];
  /** How often the other one answered with it at the first call. */
  atOnce: number;
}

const USERS = 100;
const WARM_UP = 50;

/**
 * Two nodes over the server that the tests of the KurrentDB adapter run against. What is written at one is asked for at the other as soon as
 * the first has answered, and again until the other answers with it.
 */
const measure = async (how: How): Promise<ReadYourWrites[]> => {
  const times = how.quick ? 100 : 1000;
  const data = newFolder(how);
  const files = { connection: join(data, 'connection'), master: join(data, 'master.key') };
  writeFileSync(files.master, randomBytes(32).toString('base64url'), { mode: 0o600 });
  return withStarted(async (started) => {
    const { ready: connectionString } = await started('kurrentdb-server.ts', [], LOAD_CORE);
    writeFileSync(files.connection, connectionString);
    const node = async () => {
      const args = ['--data', newFolder(how), '--connection-file', files.connection, '--master-file', files.master];
      const process = await started('node.ts', args, SERVER_CORE);
      return { register: () => process.ask<Client>('register'), connection: await Connection.open(Number(process.ready)) };
    };
    const [one, other] = [await node(), await node()];
    const known = await one.register();
    while ((await askForConsent(one.connection, known)) === null);
    while ((await askForConsent(other.connection, known)) === null);
    const found = [
      await repeated('a CIBA request made at one node, polled at the other', times, async () => {
        const authReqId = await askForConsent(one.connection, known);
        if (authReqId === null) throw new Error('the node does not know its own client');
        return async () => (await poll(other.connection, known, authReqId)) === 'authorization_pending';
      }),
      await repeated('a client registered at one node, asking at the other', times, async () => {
        const registered = await one.register();
        return async () => (await askForConsent(other.connection, registered)) !== null;
      }),
    ];
    for (const { connection } of [one, other]) connection.close();
    return found;
  });
};

/** Writes, and then asks until the answer is right. */
const repeated = async (what: string, times: number, write: () => Promise<() => Promise<boolean>>): Promise<ReadYourWrites> => {
  const found: ReadYourWrites = { what, written: [], answered: [], atOnce: 0 };
  for (let n = -WARM_UP; n < times; n += 1) {
    const began = performance.now();
    const isRight = await write();
    const asked = performance.now();
    const atOnce = await isRight();
    for (let right = atOnce; !right; ) right = await isRight();
    if (n < 0) continue;
    found.written.push(asked - began);
    found.answered.push(performance.now() - asked);
    if (atOnce) found.atOnce += 1;
  }
  return found;
};

interface Client {
  clientId: string;
  clientSecret: string;
}

const form = ({ clientId, clientSecret }: Client, parameters: Record<string, string>): string =>
  new URLSearchParams({ client_id: clientId, client_secret: clientSecret, ...parameters }).toString();

/** The auth_req_id; null where the node does not know the client. */
const askForConsent = async (connection: Connection, client: Client): Promise<string | null> => {
  const psu = `user-${Math.floor(Math.random() * USERS)}`;
  const body = form(client, { scope: 'openid accounts', login_hint: psu, binding_message: 'Payment' });
  const answer = await connection.send(post('/oauth2/ciba', body));
  return answer.status === 401 ? null : expectJson<{ auth_req_id: string }>(answer, 200).auth_req_id;
};

const poll = async (connection: Connection, client: Client, authReqId: string): Promise<string> => {
  const body = form(client, { grant_type: 'urn:openid:params:grant-type:ciba', auth_req_id: authReqId });
  return expectJson<{ error: string }>(await connection.send(post('/oauth2/token', body)), 400).error;
};

const p50p99 = (values: readonly number[]): string => {
  const sorted = Float64Array.from(values).sort();
  return `${quantile(sorted, 0.5).toFixed(1)} / ${quantile(sorted, 0.99).toFixed(1)}`;
};

const render = (found: readonly ReadYourWrites[]): string =>
  table(
    ['two nodes, ms: p50 / p99', 'the write, at one', 'then until the other answers with it', 'at its first call'],
    found.map(({ what, written, answered, atOnce }) => [what, p50p99(written), p50p99(answered), percent(atOnce / answered.length)]),
  );

export const readYourWrites: Measurement = { name: 'read-your-writes', run: async (how) => render(await measure(how)) };
