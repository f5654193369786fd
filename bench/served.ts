// Our engine as `countersign serve --workers N` runs it: over TLS, with what a node has besides. What target.ts says of a server under test holds
// here, but that its CPU time is that of all its processes.
import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { DirectoryFile } from '../src/adapters/psu-directory/file.ts';
import { loadConfig } from '../src/config.ts';
import { serve } from '../src/serve.ts';
import { sum } from './figures.ts';
import { accountOf } from './filling.ts';
import { announce, freePort } from './measure.ts';
import { OUTSTANDING_LIMITS, ourTarget, registerClient, registerPhones, users } from './parties.ts';

const { values: given } = parseArgs({ options: { data: { type: 'string', default: '.' }, workers: { type: 'string', default: '1' } } });

const directoryFile = join(given.data, 'psus.json');
const psus = users.map((user) => ({
  ...{ psu_id: user, username: user, password_hash: 'nobody signs in' },
  accounts: [{ account_id: accountOf(user), display_name: 'Current account' }],
}));
writeFileSync(directoryFile, JSON.stringify({ psus } satisfies DirectoryFile));

const env = {
  COUNTERSIGN_DATA_DIR: given.data,
  COUNTERSIGN_PSU_DIRECTORY_FILE: directoryFile,
  COUNTERSIGN_SERVER_HOST: '127.0.0.1',
  COUNTERSIGN_SERVER_PORT: String(await freePort()),
  COUNTERSIGN_SERVER_MTLS_PORT: String(await freePort()),
  COUNTERSIGN_SERVER_WORKERS: given.workers,
  COUNTERSIGN_OPERATOR_PORT: '0',
  COUNTERSIGN_OPERATOR_DRAIN_SECONDS: '0',
  COUNTERSIGN_CIBA_DEFAULT_EXPIRY_SECONDS: '3600',
  COUNTERSIGN_CIBA_MAX_EXPIRY_SECONDS: '3600',
  COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_CLIENT: String(OUTSTANDING_LIMITS.pendingRequestsPerClient),
  COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: String(OUTSTANDING_LIMITS.pendingRequestsPerPsu),
};
const { config } = loadConfig({ env, cwd: given.data });
const { engine, caFile, close } = await serve(config, { say: () => undefined });
process.once('SIGTERM', () => close().then(() => process.exit()));

const secret = { clientId: 'tpp-secret', clientSecret: randomBytes(32).toString('base64url') };
await registerClient(engine.decide, secret, { token_endpoint_auth_method: 'client_secret_post' });
const approver = await registerPhones(engine.decide);
await engine.readModels.latest();

// As Linux counts for every process: user and system time, in hundredths of a second, are fields 14 and 15 of a line whose second one is in brackets.
const TICK_MICROS = 10_000;
const cpuOf = (pid: number): number => {
  const [user = 0, system = 0] = readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/.*\) /s, '').split(' ').slice(11, 13).map(Number);
  return (user + system) * TICK_MICROS;
};
// A worker that has died and was replaced is not there any more: the row fails.
const pids = [process.pid, ...Object.values(cluster.workers ?? {}).map((worker) => worker?.process.pid ?? 0)];

const none = { clientId: '', clientSecret: '', jwk: {} };
announce(
  config.server.port,
  {
    ...{ issuer: config.issuer, ...ourTarget, approver, ca: readFileSync(caFile ?? '', 'utf8') },
    clients: { secret, privateKeyJwt: none, signedRequest: none, ping: none, gateway: none },
  },
  { cpu: () => sum(pids.map(cpuOf)) },
);
