import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { issueServerCertificate, makeAuthority } from '../src/adapters/tls/certificates.ts';
import { freePort, type How, LOAD_CORE, newFolder, type Running, SERVER_CORE, type Start, startLoad } from './measure.ts';
import { type Contender, contendersOf, type Row } from './rows.ts';

const SERVERS: Record<Contender, { file: string; args: string[] }> = {
  ours: { file: 'ours.ts', args: [] },
  'peer, memory': { file: 'peer.ts', args: ['--store', 'memory'] },
  'peer, sqlite': { file: 'peer.ts', args: ['--store', 'sqlite'] },
  limit: { file: 'limit.ts', args: [] },
};

/** One contender's server in a row, and the load that is prepared to drive it. */
export interface Stage {
  row: Row;
  contender: Contender;
  server: Running;
  load: Running;
}

/** Sets everything up first, so that one can be measured right after the other. */
export const setUp = async (started: Start, rows: readonly Row[], how: How): Promise<readonly Stage[]> => {
  const stages: Stage[] = [];
  for (const row of rows) for (const contender of contendersOf(row)) stages.push(await setUpOne(started, row, contender, how));
  return stages;
};

const setUpOne = async (started: Start, row: Row, contender: Contender, how: How): Promise<Stage> => {
  const { scenario, client, outstanding, filling } = row;
  const data = newFolder(how);
  const { notification, args, env } = client === 'ping' ? await pingedOverTls(data) : UNPINGED;
  const { file, args: own } = SERVERS[contender];
  const server = await started(file, [...own, '--id-token-alg', row.idTokenAlg, '--data', data, ...args], SERVER_CORE, env);
  if (filling !== null) await server.ask('fill', filling);
  const job = { scenario, client, outstanding, connections: how.connections, notification, filled: filling?.count ?? 0 };
  return { row, contender, server, load: await startLoad(started, server, LOAD_CORE, job) };
};

const UNPINGED = { notification: null, args: [], env: {} };

/** Where the load takes pings, and how the server is started that sends them there: it trusts the authority of that endpoint. */
const pingedOverTls = async (data: string) => {
  const now = Math.floor(Date.now() / 1000);
  const validity = { notBefore: now - 60, notAfter: now + 86_400 };
  const authority = await makeAuthority('Bench', validity);
  const { certificate, key } = await issueServerCertificate(authority, [{ type: 'ip', value: '127.0.0.1' }], validity);
  const caFile = join(data, 'ca.pem');
  writeFileSync(caFile, authority.certificate);
  const port = await freePort();
  return {
    notification: { port, certificate, key },
    args: ['--notification', `https://127.0.0.1:${port}/ping`],
    env: { NODE_EXTRA_CA_CERTS: caFile },
  };
};
