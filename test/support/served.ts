import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import type { z } from 'zod';
import { systemClock, systemIds } from '../../src/adapters/clock.ts';
import { type Config, loadConfig } from '../../src/config.ts';
import { client, register } from '../../src/domain/client/decider.ts';
import { clientMetadata } from '../../src/domain/client/metadata.ts';
import type { Ports } from '../../src/engine.ts';
import { type Serving, serve } from '../../src/serve.ts';
import { freePort } from './ports.ts';

/** A folder that is gone when the run of the tests ends. */
export const temporaryFolder = (): string => mkdtempSync(join(process.env['TEST_FOLDER'] ?? tmpdir(), 'of-a-test-'));

/** The environment of an engine of its own, on free ports and a fresh data directory; it polls every second. */
export const freshEnvironment = async (more: Record<string, string> = {}): Promise<Record<string, string>> => {
  const [port, mtlsPort] = [await freePort(), await freePort()];
  return {
    COUNTERSIGN_DATA_DIR: temporaryFolder(),
    COUNTERSIGN_SERVER_HOST: '127.0.0.1',
    COUNTERSIGN_SERVER_PORT: String(port),
    COUNTERSIGN_SERVER_MTLS_PORT: String(mtlsPort),
    COUNTERSIGN_CIBA_INTERVAL_SECONDS: '1',
    COUNTERSIGN_OPERATOR_PORT: '0',
    COUNTERSIGN_OPERATOR_DRAIN_SECONDS: '0',
    ...more,
  };
};

export interface Served {
  config: Config;
  serving: Serving;
  said: readonly string[];
  client(metadata: z.input<typeof clientMetadata>, secret?: string): Promise<string>;
}

/** The engine as `npm start` serves it: real TLS, SQLite files, the sandbox. */
export const served = async (more: Record<string, string> = {}, instead: Partial<Ports> = {}): Promise<Served> => {
  const { config } = loadConfig({ env: await freshEnvironment(more), cwd: tmpdir() });
  const said: string[] = [];
  const serving = await serve(config, { say: (line) => said.push(line), log: pino({ level: 'silent' }), instead });
  return {
    config,
    serving,
    said,
    async client(metadata, secret) {
      const clientId = `client-${systemIds.uuid()}`;
      const command = {
        id: systemIds.uuid(),
        actor: { kind: 'operator', id: 'test' } as const,
        correlationId: clientId,
        causationId: null,
      };
      const hash = secret === undefined ? null : systemIds.hash(secret);
      const { position } = await serving.engine.decide(
        client,
        clientId,
        register(clientMetadata.parse(metadata), hash, systemClock()),
        command,
      );
      await serving.engine.readModels.reached(position);
      return clientId;
    },
  };
};
