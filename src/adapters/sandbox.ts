import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DirectoryFile } from './psu-directory/file.ts';
import { hashPassword } from './psu-directory/password.ts';

/** What a developer needs to try the engine: one TPP and two PSUs, with their secrets in the open. Never made in production. */
export interface Sandbox {
  directoryFile: string;
  client: { clientId: string; clientSecret: string };
  psus: readonly { username: string; password: string }[];
}

const ACCOUNTS: Readonly<Record<string, readonly string[]>> = {
  alice: ['Current account (…4021)', 'Savings (…7788)'],
  bob: ['Joint account (…1150)'],
};

/** Takes the sandbox from its directory, or makes it there with fresh secrets. */
export const developmentSandbox = async (dir: string): Promise<Sandbox> => {
  const file = join(dir, 'sandbox.json');
  const directoryFile = join(dir, 'psus.json');
  if (!existsSync(file)) await make(file, directoryFile);
  const { client, psus } = JSON.parse(await readFile(file, 'utf8')) as Omit<Sandbox, 'directoryFile'>;
  return { directoryFile, client, psus };
};

const make = async (file: string, directoryFile: string): Promise<void> => {
  await mkdir(join(file, '..'), { recursive: true });
  const psus = Object.keys(ACCOUNTS).map((username) => ({ username, password: randomBytes(9).toString('base64url') }));
  const directory: DirectoryFile = { psus: [] };
  for (const { username, password } of psus)
    directory.psus.push({
      psu_id: randomUUID(),
      username,
      password_hash: await hashPassword(password),
      accounts: (ACCOUNTS[username] ?? []).map((displayName) => ({ account_id: randomUUID(), display_name: displayName })),
    });
  const client = { clientId: 'sandbox-tpp', clientSecret: randomBytes(32).toString('base64url') };
  await replace(directoryFile, directory);
  await replace(file, { client, psus });
};

const replace = async (file: string, content: object): Promise<void> => {
  await writeFile(`${file}.new`, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
};
