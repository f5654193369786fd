import { Command, Option } from 'commander';
import { ArchiveMissing } from '../adapters/event-store/sqlite-archive.ts';
import { EvidenceDiffers } from '../adapters/evidence/evidence-differs.ts';
import { LogInUse } from '../adapters/sqlite-file.ts';
import { type Config, ConfigError, configTable, type Loaded, loadConfig } from '../config.ts';
import { UnreadableEvent } from '../domain/events.ts';
import { OAuthError } from '../domain/oauth-error.ts';
import { SigningKeyMissing } from '../projections/reactions/rotate-signing-keys.ts';
import { archive } from './archive.ts';
import { backup } from './backup.ts';
import { disableClient, registerClient } from './client.ts';
import { CommandFailed } from './command-failed.ts';
import { checkConfig } from './config-check.ts';
import { demo } from './demo.ts';
import { explain } from './explain.ts';
import { history } from './history.ts';
import { importDevices } from './import-devices.ts';
import { importSettings } from './import-settings.ts';
import { listKeys, rotateKeys } from './keys.ts';
import { migrate } from './migrate.ts';
import { type Output, showCatchUp } from './output.ts';
import { erasePsu, expireData } from './psu.ts';
import { rebuild } from './rebuild.ts';
import { rebuildShadow } from './rebuild-shadow.ts';
import { type ReplayOf, replay } from './replay.ts';
import { restore } from './restore.ts';
import { serveUntilStopped } from './serve.ts';
import { table } from './table.ts';
import { verify } from './verify.ts';
import { witnessUntilStopped } from './witness.ts';

/** The command line. */
export const run = async (argv: readonly string[]): Promise<void> => {
  const program = new Command('countersign').description('An event-sourced consent and authorization engine');
  const settings = (command: Command, given: Record<string, string> = {}): Loaded =>
    loadConfig({ file: command.optsWithGlobals()['config'], env: { ...process.env, ...given }, cwd: process.cwd() });
  program.option('--config <file>', 'the settings file (default: ./countersign.toml, if there is one)');

  program
    .command('serve', { isDefault: true })
    .description('serve both listeners until a signal comes')
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

  program
    .command('explain')
    .argument('<auth_req_id>', 'or the id of the request')
    .description('print all that happened to a request and its consent, in order, also while an engine runs')
    .action(async (named: string, _options, command: Command) => explain(settings(command).config, named, console.log));

  program
    .command('replay')
    .description('fold the log again, fact after fact, and print what each of them changed, also while an engine runs')
    .option('--consent <consentId>', 'only the story of one consent')
    .option('--until <position|moment>', 'up to a position, or a moment such as 2026-11-23T12:00:00Z, included')
    .option('--json', 'one JSON object per line, with the state after the fact')
    .action(async ({ consent = null, until = null, json = false }: Replayed, command: Command) => {
      endWithReader();
      await replay(settings(command).config, { consentId: consent, until, json }, output(process.stderr));
    });

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

  const psu = program.command('psu').description('forget people');
  psu
    .command('erase')
    .argument('<psuId>', 'the pseudonym that the directory has for the person')
    .requiredOption('--reason <text>', 'stays in the log for ever: the number of a case, nothing personal')
    .description('erase a person for ever, while no engine runs on the data directory; a running one does so by its API')
    .action(async (psuId: string, { reason }: { reason: string }, command: Command) =>
      erasePsu(settings(command).config, psuId, reason, console.log),
    );
  psu
    .command('expire')
    .option('--dry-run', 'only print which keys those are, also while an engine runs')
    .description(
      'destroy the keys of what was kept long enough, while no engine runs on the data directory; a running one does so every day',
    )
    .action(async ({ dryRun = false }: { dryRun?: boolean }, command: Command) =>
      expireData(settings(command).config, { dryRun }, console.log),
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
    .option('--shadow', 'build them beside those in use, also while an engine runs, and say what differs')
    .option('--switch', 'with --shadow: use them, from the next start on where an engine runs')
    .action(async ({ shadow = false, switch: switchOver = false }: { shadow?: boolean; switch?: boolean }, command: Command) => {
      if (switchOver && !shadow) throw new CommandFailed('--switch goes with --shadow');
      const { config } = settings(command);
      return shadow ? rebuildShadow(config, { switchOver }, output()) : rebuild(config, output());
    });

  program
    .command('witness')
    .description('cosign the checkpoints of logs, on a machine that those who run them do not (C2SP tlog-witness)')
    .option('--data <directory>', 'where it keeps its key, made at the first start, and what it has cosigned', 'witness')
    .option('--name <name>', 'the name in its key, best that of its address; needed at the first start only')
    .option('--log <vkey>', 'the key of a log that it cosigns, once for each', (key: string, keys: string[]) => [...keys, key], [])
    .option('--host <host>', 'where it listens, over http', '127.0.0.1')
    .option('--port <port>', 'its port', '9450')
    .action(async ({ data, log, port, ...named }: { data: string; log: string[]; port: string; name?: string; host: string }) =>
      witnessUntilStopped({ ...named, directory: data, logs: log, port: Number(port) }, console.log),
    );

  program
    .command('backup')
    .argument('<folder>', 'a folder that is not there yet, or empty')
    .description('copy the log, its archive, the evidence log and the keys, also while an engine runs')
    .option('--with-master-key', 'also the key that all others are sealed with')
    .action(async (folder: string, { withMasterKey = false }: { withMasterKey?: boolean }, command: Command) =>
      backup(settings(command).config, { folder, withMasterKey }, output()),
    );

  program
    .command('restore')
    .argument('<folder>', 'a backup')
    .description('verify a backup, and make a data directory from it')
    .option('--data <directory>', 'where to; nothing may be there (default: data_dir of the settings)')
    .action(async (folder: string, { data }: { data?: string }, command: Command) =>
      restore({ folder, dataDir: data ?? settings(command).config.dataDir }, output()),
    );

  program
    .command('verify')
    .argument(
      '[source]',
      'a data directory, its log.sqlite, an exported bundle, or - for one on standard input; a consent receipt, or its .tlog-proof (default: the log of the settings)',
    )
    .description(
      'prove without any server that a log is as it was signed and that every token was rightly issued, or that a consent receipt is right (docs/verify.md)',
    )
    .option('--checkpoint <file>', 'a signed checkpoint that was kept elsewhere, once for each', collected, [])
    .option('--key <vkey>', 'the key of the log, from elsewhere (default: the one in the bundle, beside the log, or among --keys)')
    .option('--witness <vkey>', 'the key of a witness, once for each', collected, [])
    .option('--quorum <n>', 'how many of them must have cosigned (default: all of them)')
    .option('--keys <path>', 'what opens the sealed parts: a directory of keys, or the master key of the data directory')
    .option('--consent <id>', 'also list the facts of this consent')
    .option('--jwks <file>', 'of a receipt: the public keys of its issuer, as jwks_uri gives them')
    .option('--receipt <file>', 'of a .tlog-proof: the receipt that it belongs to')
    .option('--json', 'one JSON object')
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
    .action(
      async (named: string | undefined, { key = null, keys = null, consent: consentId = null, ...of }: Verifying, command: Command) => {
        // 1 says that there are doubts; what cannot even be begun is 2.
        process.exitCode = 2;
        const source = named ?? logOf(settings(command).config);
        const quorum = of.quorum === undefined ? null : Number(of.quorum || Number.NaN);
        const { jwks, receipt, checkpoint: checkpoints, witness: witnesses } = of;
        const given = { source, key, keys, consentId, jwks, receipt, checkpoints, witnesses, quorum };
        process.exitCode = (await verify({ ...given, json: of.json ?? false }, output(process.stderr))) ? 0 : 1;
      },
    );

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
      error instanceof EvidenceDiffers ||
      error instanceof UnreadableEvent ||
      error instanceof OAuthError ||
      error instanceof SigningKeyMissing ||
      error instanceof CommandFailed;
    console.error(plain ? `countersign: ${error.message}` : error);
    process.exitCode ??= 1;
  }
};

const logOf = (config: Config): string | Config => (config.store.kind === 'sqlite' ? config.dataDir : config);

interface Verifying {
  checkpoint: string[];
  witness: string[];
  quorum?: string;
  key?: string | null;
  keys?: string | null;
  consent?: string | null;
  jwks?: string;
  receipt?: string;
  json?: boolean;
}
const collected = (one: string, others: string[]): string[] => [...others, one];

/** Whoever reads the output may have had enough of it, as `head` has. */
const endWithReader = (): void => {
  process.stdout.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
};

type Replayed = Partial<Pick<ReplayOf, 'until' | 'json'> & { consent: string | null }>;

/** Progress on a terminal, on standard error; elsewhere JSON lines. Where facts go to a file, the progress may have a terminal of its own. */
const output = (terminal: { isTTY: boolean } = process.stdout): Output => {
  const { stdout, stderr } = process;
  if (!terminal.isTTY) return { print: console.log, progress: null };
  const overwriting = (line: string) => `\r\u001b[K${line}`;
  return {
    print: stdout.isTTY ? (line) => console.log(overwriting(line)) : console.log,
    progress: (line) => void stderr.write(overwriting(line)),
  };
};
