import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Observable } from 'rxjs';
import { checkLog } from '../adapters/evidence/checked.ts';
import {
  type CheckpointRecords,
  CONTRADICTION,
  chainIn,
  contradictionText,
  keyRecordOf,
  recordOf,
  recordsInFile,
  standingIn,
} from '../adapters/evidence/checkpoints.ts';
import { witnessesOf } from '../adapters/evidence/cosigning.ts';
import { evidenceLog } from '../adapters/evidence/evidence-log.ts';
import { type Keeper, keepEvidence } from '../adapters/evidence/keeper.ts';
import { logKeyIn, logKeyInPem, sharedLogKey } from '../adapters/evidence/log-key.ts';
import type { PublishedOf } from '../adapters/evidence/moved.ts';
import { evidenceGone, growingTiles, readTiles } from '../adapters/evidence/tiles.ts';
import { witnessClient } from '../adapters/evidence/witness-client.ts';
import { ownService } from '../adapters/outbound/own-service.ts';
import type { SharedRecords } from '../adapters/shared/records.ts';
import { type Config, ConfigError } from '../config.ts';
import type { EventStore } from '../domain/ports/event-store.ts';
import type { Contradiction, EvidenceLog } from '../evidence/log.ts';
import { Malformed } from '../evidence/malformed.ts';
import { COSIGNATURE, logSigner, parseVerifierKey } from '../evidence/note-key.ts';
import type { Opening } from './ports.ts';

const WITNESS_MS = 5000;

/** Where an evidence log is kept, and what it is about. */
interface Kept {
  /** The log, as it is. */
  log: EventStore;
  master: Buffer;
  /** What nodes share; without it the chain of checkpoints is in the file of the evidence log. */
  shared?: { records: SharedRecords; onDuty: Observable<boolean>; leaveDuty(): void };
}

/**
 * Opens the evidence log that the settings name. The process that applies the log to the read models keeps it, from here on, once the log was
 * compared with what is published: throws `EvidenceDiffers`. Workers read what their owner keeps.
 */
export const openEvidence = async (config: Config, { opened, owner, onFault }: Opening, kept: Kept): Promise<EvidenceLog | null> => {
  const { enabled, origin, checkpointMs } = config.evidence;
  if (!enabled) return null;
  const { log, master, shared } = kept;
  const file = evidenceFileOf(config);
  // Before the key is made: whoever finds that finds what it has signed, or begins no second history.
  const tiles = owner === undefined ? opened.keep(growingTiles(file, origin, !hasMadeKey(config))) : null;
  const signer = logSigner(origin, await keyOf(config, master, shared?.records));
  let keeper: Keeper | undefined;
  if (tiles !== null) {
    const inFile = opened.keep(recordsInFile(file));
    const records: CheckpointRecords = shared?.records ?? inFile;
    const chain = chainIn(records, signer.verifierKey);
    await checkLog((await chain.newest())?.standing ?? null, { tiles, store: log });
    inFile.keep(keyRecordOf(origin), { text: signer.verifierKey.text, revision: 0 });
    const onContradiction = (said: Contradiction | null) => inFile.keep(CONTRADICTION, contradictionText(said));
    onContradiction(null);
    keeper = keepEvidence({
      ...{ store: log, tiles, chain, signer, checkpointMs, onContradiction, onFault },
      witnesses: witnessesIn(config, onFault),
      ...(shared !== undefined && {
        ...{ onDuty: shared.onDuty, onHalt: shared.leaveDuty },
        onStanding: (standing) => inFile.keep(recordOf(origin), standing),
      }),
    });
    opened.atEnd(keeper.stop);
  }
  return opened.keep(evidenceLog(file, signer.verifierKey, keeper));
};

/**
 * What is published of a log in files, while nobody keeps its evidence log; null where nothing is, by this origin. Throws `EvidenceDiffers` where
 * that is gone, or another key has signed it.
 */
export const publishedOf = async (config: Config, master: Buffer): Promise<PublishedOf | null> => {
  const { origin } = config.evidence;
  const file = evidenceFileOf(config);
  const tiles = existsSync(file) ? readTiles(file) : null;
  try {
    if ((tiles?.origin() ?? null) === null && hasMadeKey(config)) throw evidenceGone(file);
    const text = tiles?.record(recordOf(origin)) ?? null;
    if (text === null) return null;
    const { verifierKey: key } = logSigner(origin, await keyOf(config, master, undefined));
    return { standing: standingIn(text, key), key };
  } finally {
    tiles?.close();
  }
};

/** The file of the evidence log: where it stands in one log says nothing about another one. */
export const evidenceFileOf = ({ dataDir, store }: Config): string =>
  join(dataDir, store.kind === 'sqlite' ? 'evidence.sqlite' : 'evidence.kurrentdb.sqlite');

/** Where a log in files has the key of its evidence log, unless the settings name it. */
export const logKeyFileOf = (dataDir: string): string => join(dataDir, 'keys', 'evidence.key');

/** Whether a key was made here, which may have signed. The records of a cluster have key and checkpoint together, and an operator's own key says nothing. */
const hasMadeKey = ({ dataDir, store, evidence: { keyFile } }: Config): boolean =>
  store.kind === 'sqlite' && keyFile === null && existsSync(logKeyFileOf(dataDir));

const keyOf = async ({ dataDir, evidence: { keyFile } }: Config, master: Buffer, records: SharedRecords | undefined) => {
  if (keyFile !== null) return logKeyInPem(keyFile);
  return records === undefined ? logKeyIn(logKeyFileOf(dataDir), master) : sharedLogKey(records, master);
};

const witnessesIn = ({ evidence: { witnesses, quorum } }: Config, onFault: Opening['onFault']) => {
  if (witnesses.length === 0) return undefined;
  const clients = witnesses.map(({ url, key }) => witnessClient(url, witnessKey(key), ownService(url, WITNESS_MS)));
  return witnessesOf(clients, { quorum, onFault });
};

const witnessKey = (text: string) => {
  try {
    return parseVerifierKey(text, COSIGNATURE);
  } catch (error) {
    if (error instanceof Malformed) throw new ConfigError([`evidence.witnesses: ${error.message}`]);
    throw error;
  }
};
