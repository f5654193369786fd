import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sqliteEventReader } from '../adapters/event-store/sqlite.ts';
import { developmentSandbox, type Sandbox } from '../adapters/sandbox.ts';
import type { Config } from '../config.ts';
import { playCeremony } from '../demo/ceremony.ts';
import { trustingFetch } from '../demo/trusting-fetch.ts';
import { serve } from '../serve.ts';
import { CommandFailed } from './command-failed.ts';

/** Plays the demo's ceremony against the engine at the configured address, or against a private one on the configured data directory. */
export const demo = async (config: Config, print: (line: string) => void): Promise<void> => {
  if (config.environment !== 'development') throw new CommandFailed('the demo needs the sandbox, which exists in development only');
  const running = await runs(config);
  const own = running ? null : await serve(config, { say: () => undefined });
  print(
    running
      ? `The engine at ${config.issuer} is running: the demo uses it.`
      : `No engine runs at ${config.issuer}: the demo starts its own on ${config.dataDir}.`,
  );
  const log = sqliteEventReader(join(config.dataDir, 'log.sqlite'));
  try {
    const sandbox = await sandboxOf(config);
    await playCeremony({ issuer: config.issuer, fetch: trustingFetch(caOf(config)), sandbox, log, print });
  } finally {
    await log.close();
    await own?.close();
  }
};

const caFileOf = ({ dataDir }: Config): string => join(dataDir, 'tls', 'ca.pem');
const caOf = (config: Config): string => readFileSync(caFileOf(config), 'utf8');

const runs = async (config: Config): Promise<boolean> => {
  if (!existsSync(caFileOf(config))) return false;
  try {
    await trustingFetch(caOf(config))(`${config.issuer}/.well-known/openid-configuration`);
    return true;
  } catch (error) {
    if (causedBy(error, 'ECONNREFUSED')) return false;
    throw new CommandFailed(`what answers at ${config.issuer} is not the engine of ${config.dataDir}`, { cause: error });
  }
};

const causedBy = (error: unknown, code: string): boolean => {
  const { code: own, cause, errors = [] } = (error ?? {}) as { code?: string; cause?: unknown; errors?: unknown[] };
  return own === code || (cause !== undefined && causedBy(cause, code)) || errors.some((one) => causedBy(one, code));
};

const sandboxOf = (config: Config): Promise<Sandbox> => {
  const dir = join(config.dataDir, 'sandbox');
  if (!existsSync(dir)) throw new CommandFailed(`the engine of ${config.dataDir} has no sandbox`);
  return developmentSandbox(dir);
};
