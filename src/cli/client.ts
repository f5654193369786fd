import { readFile } from 'node:fs/promises';
import { systemClock, systemIds } from '../adapters/clock.ts';
import type { Config } from '../config.ts';
import { type Client, client, disable, register } from '../domain/client/decider.ts';
import type { ClientEvents } from '../domain/client/events.ts';
import { clientMetadata } from '../domain/client/metadata.ts';
import { makeDecide } from '../domain/decide.ts';
import type { Decision } from '../domain/decider.ts';
import { CommandFailed } from './command-failed.ts';
import { withLog } from './log.ts';

const OPERATOR = { kind: 'operator', id: 'command-line' } as const;

/** Registers a client from a file of metadata, and prints its client_id and, where it needs one, its client_secret, this once. */
export const registerClient = async (config: Config, file: string, print: (line: string) => void): Promise<void> => {
  const parsed = clientMetadata.safeParse(await readJson(file));
  if (!parsed.success)
    throw new CommandFailed(`${file}: ${parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')}`);
  const clientId = systemIds.uuid();
  const secret = parsed.data.token_endpoint_auth_method.startsWith('client_secret_') ? systemIds.secret() : null;
  await decideAlone(config, clientId, register(parsed.data, secret && systemIds.hash(secret), systemClock()));
  print(`client_id ${clientId}`);
  if (secret !== null) print(`client_secret ${secret}`);
};

const readJson = async (file: string): Promise<unknown> => {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new CommandFailed(`${file} cannot be read as JSON`, { cause });
  }
};

/** Ends a client; the engine, when it runs again, ends its grants and its pending requests. */
export const disableClient = async (config: Config, clientId: string, print: (line: string) => void): Promise<void> => {
  await decideAlone(config, clientId, disable(systemClock()));
  print(`${clientId} is disabled`);
};

const decideAlone = (config: Config, clientId: string, decision: Decision<Client, ClientEvents>): Promise<void> =>
  withLog(config, null, async ({ store, sealer }) => {
    const decide = makeDecide({ store, sealer, ids: systemIds });
    await decide(client, clientId, decision, { id: systemIds.uuid(), actor: OPERATOR, correlationId: clientId, causationId: null });
  });
