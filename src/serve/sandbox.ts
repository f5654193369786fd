import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock, systemIds } from '../adapters/clock.ts';
import { developmentSandbox, type Sandbox } from '../adapters/sandbox.ts';
import { sandboxKeyFile } from '../adapters/sandbox-keys.ts';
import { sandboxRules } from '../api/sandbox/rules.ts';
import type { Config } from '../config.ts';
import { detailTypes } from '../domain/authorization-details/registered.ts';
import { client, register } from '../domain/client/decider.ts';
import { CIBA_GRANT, checkMetadata, clientMetadata } from '../domain/client/metadata.ts';
import type { Engine, EngineSettings } from '../engine.ts';

/** What development has in place of a directory of PSUs, where the settings name none. */
export const sandboxOf = async ({ environment, dataDir, psu }: Config): Promise<Sandbox | null> =>
  environment === 'development' && psu.directoryFile === null && psu.directoryUrl === null
    ? developmentSandbox(join(dataDir, 'sandbox'))
    : null;

/** The automated approver, where the settings want it: never in production, which refuses the setting too. */
export const automatedApprover = async ({ environment, sandbox }: Config, dir: string): Promise<EngineSettings['sandbox']> => {
  if (environment === 'production' || !sandbox.automatedApprover) return undefined;
  const { rulesFile } = sandbox;
  const rules = rulesFile === null ? { rules: [] } : JSON.parse(await readFile(rulesFile, 'utf8'));
  return { keys: sandboxKeyFile(join(dir, 'devices.json')), rules: sandboxRules.parse(rules) };
};

/** Registers the TPP of the sandbox, at the first start. */
export const registerSandboxClient = async (
  { decide, load, readModels, surface }: Engine,
  { client: { clientId, clientSecret } }: Sandbox,
): Promise<void> => {
  if ((await load(client, clientId)).status !== 'absent') return;
  const metadata = checkMetadata(
    clientMetadata.parse({
      client_name: 'Sandbox TPP',
      profile: 'plain',
      token_endpoint_auth_method: 'client_secret_basic',
      tls_client_certificate_bound_access_tokens: false,
      grant_types: [CIBA_GRANT, 'authorization_code', 'client_credentials', 'refresh_token'],
      response_types: ['code'],
      // Some page that is there: a developer reads the code in the address bar.
      redirect_uris: [`${surface.issuer}/docs`],
      authorization_details_types: [...detailTypes.keys()],
    }),
  );
  const command = { id: systemIds.uuid(), actor: { kind: 'engine', id: 'sandbox' } as const, correlationId: clientId, causationId: null };
  const { position } = await decide(client, clientId, register(metadata, systemIds.hash(clientSecret), systemClock()), command);
  await readModels.reached(position);
};
