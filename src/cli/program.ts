import { Command, Option } from 'commander';
import { LogInUse } from '../adapters/event-store/sqlite.ts';
import { ArchiveMissing } from '../adapters/event-store/sqlite-archive.ts';
import { ConfigError, configTable, type Loaded, loadConfig } from '../config.ts';
import { UnreadableEvent } from '../domain/events.ts';
import { OAuthError } from '../domain/oauth-error.ts';
import { SigningKeyMissing } from '../projections/reactions/rotate-signing-keys.ts';
import { archive } from './archive.ts';
import { showCatchUp } from './catch-up.ts';
import { disableClient, registerClient } from './client.ts';
import { CommandFailed } from './command-failed.ts';
import { checkConfig } from './config-check.ts';
import { demo } from './demo.ts';
import { history } from './history.ts';
import { type ImportOutput, importDevices } from './import-devices.ts';
import { importSettings } from './import-settings.ts';
import { listKeys, rotateKeys } from './keys.ts';
import { migrate } from './migrate.ts';
import { rebuild } from './rebuild.ts';
import { serveUntilStopped } from './serve.ts';
import { table } from './table.ts';

/** The command line: `countersign serve | demo | history | client | keys | import-settings | import-devices | migrate | archive | rebuild | config`. */
export const run = async (argv: readonly string[]): Promise<void> => {
  const program = new Command('countersign').description('An event-sourced consent and authorization engine');
  const settings = (command: Command, given: Record<string, string> = {}): Loaded =>
    loadConfig({ file: command.optsWithGlobals()['config'], env: { ...process.env, ...given }, cwd: process.cwd() });
  program.option('--config <file>', 'the settings file (default: ./countersign.toml, if there is one)');

  program
    .command('serve', { isDefault: true })
    .description('serve both listeners until a signal comes')
    .option('--config <file>')
    .option('--workers <n>', 'the processes that serve (default: server.workers of the settings)')
    .action(async ({ workers }: { workers?: string }, command: Command) =>
      serveUntilStopped(
        settings(command, workers === undefined ? {} : { COUNTERSIGN_SERVER_WORKERS: workers }).config,
        showCatchUp(output()),
      ),
    );

  program
    .command('demo')
    .description('play a whole ceremony over HTTPS, against the engine that runs or a private one')
    .action(async (_options, command: Command) => demo(settings(command).config, console.log));

  program
    .command('history')
    .argument('<consentId>')
    .description('print the facts of a consent in order')
    .option('--json', 'one JSON object per line')
    .action(async (consentId: string, { json = false }: { json?: boolean }, command: Command) =>
      history(settings(command).config, consentId, json, console.log),
    );

  const client = program.command('client').description('register and disable clients, while no engine runs on the data directory');
  client
    .command('register')
    .argument('<metadata.json>', 'a file with the registration metadata (RFC 7591)')
    .action(async (file: string, _options, command: Command) => registerClient(settings(command).config, file, console.log));
  client
    .command('disable')
    .argument('<client_id>')
    .action(async (clientId: string, _options, command: Command) => disableClient(settings(command).config, clientId, console.log));

  const keys = program.command('keys').description('look at the signing keys, and change them');
  keys
    .command('list')
    .description('print the published keys, also while an engine runs')
    .action(async (_options, command: Command) => listKeys(settings(command).config, console.log));
  keys
    .command('rotate')
    .description('publish the next keys, while no engine runs on the data directory; a running one does so at SIGUSR2')
    .option('--now', 'sign with them at once: for keys that were lost')
    .option('--stolen', 'at once, and believe nothing any more that the former keys signed')
    .action(async ({ now = false, stolen = false }: { now?: boolean; stolen?: boolean }, command: Command) =>
      rotateKeys(settings(command).config, { now, stolen }, console.log),
    );

  program
    .command('import-settings')
    .argument('<deployment.toml>', 'the settings of the reference')
    .description('write our settings from those of the reference, with a line for each of its tags')
    .option('--out <file>', 'a file that is not there yet; without it the settings are printed')
    .action(async (file: string, { out = null }: { out?: string | null }) => importSettings(file, out, console.log));

  program
    .command('import-devices')
    .argument('<devices.csv>', 'an export of the table PUSH_AUTHENTICATION_DEVICE, its columns named in the first line')
    .description('take over the phones of the reference, while no engine runs on the data directory; run again it adds what is new')
    .option('--skip-bad-rows', 'import the others: without it one bad row keeps all of them out')
    .action(async (file: string, { skipBadRows = false }: { skipBadRows?: boolean }, command: Command) =>
      importDevices(settings(command).config, file, { skipBadRows, ...output() }),
    );

  program
    .command('migrate')
    .description('copy the log and its keys to another store, and prove the copy equal, while no engine runs; run again it goes on')
    .addOption(new Option('--from <store>', 'where the log is').choices(['sqlite']).makeOptionMandatory())
    .addOption(new Option('--to <store>', 'where it goes: the cluster of store.kurrentdb').choices(['kurrentdb']).makeOptionMandatory())
    .action(async (_options, command: Command) => migrate(settings(command).config, output()));

  program
    .command('archive')
    .description(
      'move what is over from the log to its archive, while no engine runs on the data directory; a running one does so by itself',
    )
    .option('--compact', 'give the room that it leaves in the log back to the disk')
    .action(async ({ compact = false }: { compact?: boolean }, command: Command) =>
      archive(settings(command).config, { compact }, console.log),
    );

  program
    .command('rebuild')
    .description('build the read models again from the log, while no engine runs on the data directory')
    .action(async (_options, command: Command) => rebuild(settings(command).config, output()));

  const config = program.command('config').description('look at the settings');
  config
    .command('show')
    .option('--sources', 'also print where each value comes from')
    .action((options: { sources?: boolean }, command: Command) => {
      const rows = configTable(settings(command));
      console.log(
        table(rows.map(({ name, value, source, description }) => (options.sources ? [name, value, source, description] : [name, value]))),
      );
    });
  config
    .command('check')
    .description('say whether an engine could start with them: also every file that they name is read')
    .action(async (_options, command: Command) => checkConfig(settings(command), console.log));

  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    // What an operator can mend is said in plain lines; anything else is ours, and comes whole.
    const plain =
      error instanceof ConfigError ||
      error instanceof LogInUse ||
      error instanceof ArchiveMissing ||
      error instanceof UnreadableEvent ||
      error instanceof OAuthError ||
      error instanceof SigningKeyMissing ||
      error instanceof CommandFailed;
    console.error(plain ? `countersign: ${error.message}` : error);
    process.exitCode = 1;
  }
};

/** Progress on a terminal, on standard error; elsewhere JSON lines. */
const output = (): ImportOutput => {
  const { stdout, stderr } = process;
  if (!stdout.isTTY) return { print: console.log, progress: null };
  const overwriting = (line: string) => `\r\u001b[K${line}`;
  return { print: (line) => console.log(overwriting(line)), progress: (line) => void stderr.write(overwriting(line)) };
};
