import { createPrivateKey } from 'node:crypto';
import { existsSync, constants as mode } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ZodError } from 'zod';
import { systemClock } from '../adapters/clock.ts';
import { addressIn } from '../adapters/event-store/kurrentdb-address.ts';
import { logKeyInPem } from '../adapters/evidence/log-key.ts';
import { masterKey } from '../adapters/keys/master-key.ts';
import { openLoginScript } from '../adapters/login-script.ts';
import { ownModule } from '../adapters/own-module.ts';
import { filePsuDirectory } from '../adapters/psu-directory/file.ts';
import { readServiceAccount } from '../adapters/push/google-credential.ts';
import { registrationFiles } from '../adapters/registration-files.ts';
import { secretIn } from '../adapters/secret-file.ts';
import { certificatesIn } from '../adapters/tls/client-chain.ts';
import { identityProblem } from '../adapters/tls/servers.ts';
import { sandboxRules } from '../api/sandbox/rules.ts';
import { type Config, ConfigError, type Loaded } from '../config.ts';
import { table } from './table.ts';

/**
 * Uses every file that the settings name as a start would, modules of the operator's own included, and prints where each setting comes from.
 * Throws a ConfigError that names every problem by its setting, and tells nothing of what stands in a file.
 */
export const checkConfig = async ({ config, sources }: Loaded, print: (line: string) => void): Promise<void> => {
  const problems: string[] = [];
  for (const { name, file, use } of filesIn(config)) {
    try {
      await use(file);
    } catch (error) {
      problems.push(...inWords(file, error).map((words) => `${name} (${sources[name]}): ${words}`));
    }
  }
  // Of a pair whose halves cannot be used, enough is said.
  if (!problems.some((problem) => /^tls\.(certificate|key)_file /.test(problem))) problems.push(...(await pairProblem(config)));
  if (problems.length > 0) throw new ConfigError(problems);
  print('ok: the settings are right, and every file that they name is there and can be used');
  const given = Object.entries(sources).filter(([, source]) => source !== 'default');
  if (given.length > 0) print(table(given));
};

/** A file that a setting names, and what shows that it can be used. */
interface NamedFile {
  name: string;
  file: string;
  use(file: string): unknown;
}

const filesIn = (config: Config): NamedFile[] => {
  const { store, tls, push, outbound, psu, registration, sandbox, authentication, keys, evidence, dataDir, environment } = config;
  const named = (name: string, file: string | null, use: NamedFile['use']): NamedFile[] => (file === null ? [] : [{ name, file, use }]);
  const isMadeAtStart = environment === 'development' && !existsSync(keys.masterFile);
  return [
    ...named('data_dir', dataDir, writableDirectory),
    ...named('store.kurrentdb.connection_string_file', store.kurrentdb.connectionStringFile, (file) => clusterAddress(file, environment)),
    ...named('store.kurrentdb.ca_file', store.kurrentdb.caFile, certificates),
    ...named('store.kurrentdb.password_file', store.kurrentdb.passwordFile, secretIn),
    ...named('tls.certificate_file', tls.certificateFile, certificates),
    ...named('tls.key_file', tls.keyFile, privateKey),
    ...tls.clientCaFiles.flatMap((file) => named('tls.client_ca_files', file, authorities)),
    ...stepFiles(config),
    ...named('authentication.script', authentication.script, (file) => openLoginScript(file, NOBODY)),
    ...named('registration.sandbox_jwks_file', registration.sandboxJwksFile, (sandboxJwksFile) =>
      registrationFiles({ initialAccessTokenFile: null, sandboxJwksFile }),
    ),
    ...named('registration.initial_access_token_file', registration.initialAccessTokenFile, secretIn),
    ...named('push.fcm.service_account_file', push.fcm.serviceAccountFile, readServiceAccount),
    ...named('outbound.ca_file', outbound.caFile, certificates),
    ...named('sandbox.rules_file', sandbox.rulesFile, async (file) => sandboxRules.parse(JSON.parse(await readFile(file, 'utf8')))),
    ...named('psu.directory_file', psu.directoryFile, filePsuDirectory),
    ...named('psu.directory_secret_file', psu.directorySecretFile, secretIn),
    ...named('evidence.key_file', evidence.keyFile, logKeyInPem),
    ...named('keys.master_file', isMadeAtStart ? null : keys.masterFile, (file) => masterKey(file, { create: false })),
  ];
};

const NOBODY = { psuChannel: '', onFault: () => undefined };

const stepFiles = ({ consent: { authorizeSteps } }: Config): NamedFile[] =>
  (['retrieve', 'persist'] as const).flatMap((hook) =>
    authorizeSteps[hook].flatMap(({ module, secretFile }) => {
      const name = `consent.authorize_steps.${hook}`;
      return [
        ...(module === null ? [] : [{ name, file: module, use: (file: string) => ownModule(file, { needed: [hook], known: [hook] }) }]),
        ...(secretFile === null ? [] : [{ name, file: secretFile, use: secretIn }]),
      ];
    }),
  );

const clusterAddress = async (file: string, environment: Config['environment']): Promise<void> => {
  const { tls } = addressIn(await secretIn(file));
  if (!tls && environment === 'production') throw new Error(`${file} says tls=false, which is for development only`);
};

const certificates = async (file: string) => {
  const text = await readFile(file, 'utf8');
  const found = readable(() => certificatesIn([text]));
  if (found === null || found.length === 0) throw new Error(`${file} holds no certificate in PEM`);
  return found;
};

const authorities = async (file: string): Promise<void> => {
  if ((await certificates(file)).some(({ ca }) => !ca)) throw new Error(`${file} holds a certificate that is no authority's`);
};

const privateKey = async (file: string): Promise<void> => {
  const key = await readFile(file, 'utf8');
  if (readable(() => createPrivateKey(key)) === null) throw new Error(`${file} holds no private key in PEM, or one with a password`);
};

const readable = <T>(read: () => T): T | null => {
  try {
    return read();
  } catch {
    return null; // OpenSSL's words help nobody, and might quote the text
  }
};

/** The engine makes the directory, so what is there of the path must allow it. */
const writableDirectory = async (dir: string): Promise<void> => {
  if (!existsSync(dir) && dirname(dir) !== dir) return writableDirectory(dirname(dir));
  if (!(await stat(dir)).isDirectory()) throw new Error(`${dir} is no directory`);
  await access(dir, mode.W_OK | mode.X_OK);
};

const pairProblem = async ({ tls: { certificateFile, keyFile } }: Config): Promise<string[]> => {
  if (certificateFile === null || keyFile === null) return [];
  const [certificate, key] = await Promise.all([readFile(certificateFile, 'utf8'), readFile(keyFile, 'utf8')]);
  const problem = identityProblem({ certificate, key }, systemClock());
  return problem === null ? [] : [`tls.certificate_file and tls.key_file: ${problem}`];
};

const CODES: Readonly<Record<string, string>> = {
  ENOENT: 'is not there',
  ENOTDIR: 'is not there',
  EISDIR: 'is a directory',
  EACCES: 'is not open to this user',
  EROFS: 'is on a file system that cannot be written',
};

const inWords = (file: string, error: unknown): string[] => {
  const words = CODES[(error as NodeJS.ErrnoException).code ?? ''];
  if (words !== undefined) return [`${file} ${words}`];
  // The message of a SyntaxError quotes the text.
  if (error instanceof SyntaxError) return [`${file} is no JSON`];
  if (error instanceof ZodError)
    return error.issues.map(({ path, message }) => `${file}: ${path.join('.') || 'the whole file'}: ${message}`);
  const { message } = error as Error;
  return [message.includes(file) ? message : `${file}: ${message}`];
};
