// A node over a KurrentDB cluster, on plain HTTP. It prints `ready <port>`; asked to `register`, it makes a client.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { systemIds } from '../src/adapters/clock.ts';
import { loadConfig } from '../src/config.ts';
import { startEngine } from '../src/engine.ts';
import { nothingOpened } from '../src/serve/opened.ts';
import { openPorts } from '../src/serve/ports.ts';
import { answerRunner } from './measure.ts';
import { registerClient } from './parties.ts';

const { values: given } = parseArgs({
  options: {
    data: { type: 'string', default: '.' },
    'connection-file': { type: 'string', default: '' },
    'master-file': { type: 'string', default: '' },
  },
});

const server = createServer({ keepAliveTimeout: 75_000 }).listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;
const issuer = `http://127.0.0.1:${port}`;
const env = {
  COUNTERSIGN_DATA_DIR: given.data,
  COUNTERSIGN_STORE_KIND: 'kurrentdb',
  COUNTERSIGN_STORE_KURRENTDB_CONNECTION_STRING_FILE: given['connection-file'],
  COUNTERSIGN_KEYS_MASTER_FILE: given['master-file'],
  COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '100000',
};
const { config } = loadConfig({ env, cwd: given.data });

const { ports } = await openPorts(config, { opened: nothingOpened(), say: () => undefined, onFault: console.error });
// Any name is a PSU's, at every node.
const directory = { ...ports.directory, findByHint: async (hint: string) => hint, exists: async () => true };
const engine = await startEngine(
  { ...ports, directory },
  { config: { ...config, issuer }, mtlsBase: issuer, certificateOf: () => null, onFault: console.error },
);
server.on('request', engine.listener);

/** Resolves when the client stands in the log. */
const register = async (): Promise<{ clientId: string; clientSecret: string }> => {
  const registered = { clientId: systemIds.uuid(), clientSecret: randomBytes(32).toString('base64url') };
  await registerClient(engine.decide, registered, { token_endpoint_auth_method: 'client_secret_post' });
  return registered;
};

answerRunner({ register });
console.log(`ready ${port}`);
