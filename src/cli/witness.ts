import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { systemClock } from '../adapters/clock.ts';
import { noteKeyFile } from '../adapters/evidence/note-key-file.ts';
import { RecordsGone, type WitnessRecords, witnessRecords } from '../adapters/evidence/witness-records.ts';
import { type Told, witnessServer } from '../adapters/evidence/witness-server.ts';
import { Malformed } from '../evidence/malformed.ts';
import { COSIGNATURE, isKeyName, NOTE, type NoteSigner, parseVerifierKey, witnessSigner } from '../evidence/note-key.ts';
import { CommandFailed } from './command-failed.ts';

// At the end a request that is under way has this long to finish, and who has sent nothing no longer.
const BUSY_MS = 5000;

/** What a witness is started with. */
export interface WitnessOptions {
  /** Where it keeps its key and what it has cosigned. */
  directory: string;
  /** The name in its key; needed at the first start only. */
  name?: string | undefined;
  /** The keys of the logs that it cosigns. */
  logs: readonly string[];
  host: string;
  port: number;
}

/** A witness that answers. */
export interface Witnessing {
  /** What its cosignatures are verified with. */
  verifierKey: string;
  url: string;
  close(): Promise<void>;
}

/** Starts a witness: its key is made at the first start, in a file that nobody else reads. */
export const witness = async (
  { directory, name, logs, host, port }: WitnessOptions,
  tell: (told: Told) => void = () => undefined,
): Promise<Witnessing> => {
  const keys = logs.map((text) => ofForm(`${text} is no key of a log`, () => parseVerifierKey(text, NOTE)));
  if (keys.length === 0) throw new CommandFailed('a witness needs the key of a log: --log <name+id+key>');
  if (!(Number.isInteger(port) && port >= 0 && port <= 65_535)) throw new CommandFailed('a port is a number up to 65535');
  const file = join(directory, 'witness.key');
  const isNew = !existsSync(file);
  if (isNew && (name === undefined || !isKeyName(name)))
    throw new CommandFailed('a new witness needs a name without spaces and plus, best that of its address: --name witness.example.com');
  // Before the key is made: whoever finds that finds what it has cosigned.
  const records = recordsIn(directory, isNew);
  try {
    const signer = signerIn(file, name);
    const server = witnessServer({ logs: keys, records, signer }, tell).listen(port, host);
    return await answering(server, signer, records);
  } catch (error) {
    records.close();
    throw error;
  }
};

const recordsIn = (directory: string, isNew: boolean): WitnessRecords => {
  mkdirSync(directory, { recursive: true });
  try {
    return witnessRecords(join(directory, 'witness.sqlite'), isNew);
  } catch (cause) {
    if (!(cause instanceof RecordsGone)) throw cause;
    throw new CommandFailed(
      `witness.sqlite in ${directory} is gone, and with it what this witness has cosigned: put it back, or begin a new witness in another directory`,
      { cause },
    );
  }
};

const signerIn = (file: string, name: string | undefined): NoteSigner => {
  const key = ofForm(`${file} holds no key of a witness`, () => noteKeyFile(file, { name: name ?? '', type: COSIGNATURE }));
  if (name !== undefined && key.name !== name) throw new CommandFailed(`the key in ${file} is of the witness ${key.name}, not of ${name}`);
  return witnessSigner(key.name, key.privateKey, systemClock);
};

const answering = async (server: Server, signer: NoteSigner, records: WitnessRecords): Promise<Witnessing> => {
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new CommandFailed(`the witness cannot listen: ${(error as Error).message}`);
  }
  const { address, family, port } = server.address() as AddressInfo;
  return {
    verifierKey: signer.verifierKey.text,
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      const late = setTimeout(() => server.closeAllConnections(), BUSY_MS).unref();
      await closed;
      clearTimeout(late);
      records.close();
    },
  };
};

const ofForm = <T>(otherwise: string, read: () => T): T => {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof Malformed) throw new CommandFailed(`${otherwise}: ${cause.message}`, { cause });
    throw cause;
  }
};

/** Witnesses until a signal comes; prints its key, its address, and a line of JSON for each checkpoint. */
export const witnessUntilStopped = async (options: WitnessOptions, print: (line: string) => void): Promise<void> => {
  const { verifierKey, url, close } = await witness(options, (told) =>
    'failed' in told ? console.error('countersign: the witness could not answer', told.failed) : print(JSON.stringify(told)),
  );
  const stopped = Promise.race(['SIGINT', 'SIGTERM'].map((signal) => once(process, signal)));
  // Whoever reads that it serves may stop it at once.
  print(`witness ${verifierKey}\n     at ${url}`);
  await stopped;
  await close();
};
