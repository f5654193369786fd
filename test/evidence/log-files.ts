import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { insertInto, SCHEMA } from '../../src/adapters/event-store/sqlite-statements.ts';
import { recordOf, recordsInFile, standingText } from '../../src/adapters/evidence/checkpoints.ts';
import { growingTiles } from '../../src/adapters/evidence/tiles.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import { checkpointText } from '../../src/evidence/checkpoint.ts';
import { type LeafEvent, leafHash, leafOf } from '../../src/evidence/leaf.ts';
import { signNote } from '../../src/evidence/note.ts';
import type { NoteSigner } from '../../src/evidence/note-key.ts';
import { growing } from '../../src/evidence/tree.ts';
import { newSigner, ORIGIN } from './bundles.ts';
import { type History, MASTER, makeHistory } from './histories.ts';

/** Writes facts as the file of a log, whatever they are: who can write to the file is not held by its rules. */
export const writeLog = (file: string, events: readonly StoredEvent[]): void => {
  const db = new DatabaseSync(file);
  db.exec(`pragma synchronous=off; ${SCHEMA.replace(/,\s*unique[^)]*\)/, '')}; begin`);
  events.forEach(insertInto(db));
  db.exec('commit');
  db.close();
};

/** Writes the evidence log of such facts, with a checkpoint. */
export const writeEvidence = async (file: string, events: readonly LeafEvent[], note: string): Promise<void> => {
  const tiles = growingTiles(file, ORIGIN);
  for (const [index, event] of events.entries()) tiles.append(leafHash(leafOf(event)), index + 1);
  tiles.keep(events.length);
  const newest = { note, size: events.length, root: tiles.rootAt(events.length), at: 0 };
  tiles.close();
  const records = recordsInFile(file);
  const standing = { newest, position: events.length, cosigned: null, unwitnessedSince: null, witnesses: {} };
  await records.write(recordOf(ORIGIN), standingText(standing), -1);
  records.close();
};

/** Signs as the logs that are made here. */
export const LOG_SIGNER = newSigner();

/** A log in a file, and what it was made from. */
export interface LogInFile {
  dataDir: string;
  file: string;
  history: History;
  /** A checkpoint over all of it. */
  note: string;
}

/** A checkpoint over facts. */
export const noteOver = (events: readonly StoredEvent[], signers: readonly NoteSigner[] = [LOG_SIGNER]): string => {
  const tree = growing();
  for (const event of events) tree.append(leafHash(leafOf(event)));
  return signNote(checkpointText({ origin: ORIGIN, size: tree.size, root: tree.root() }), signers);
};

/** A data directory as an engine leaves it: log, keys, and the evidence log where that is kept. */
export const logInFile = async (folder: string, seed: number, { evidence = true, stories = 20 } = {}): Promise<LogInFile> => {
  const dataDir = mkdtempSync(join(folder, 'log-'));
  mkdirSync(join(dataDir, 'keys'));
  writeFileSync(join(dataDir, 'keys', 'master.key'), MASTER.toString('base64url'));
  const history = await makeHistory(seed, stories, join(dataDir, 'keys', 'psu-keys.sqlite'));
  const { events } = history;
  const file = join(dataDir, 'log.sqlite');
  writeLog(file, events);
  const note = noteOver(events);
  if (evidence) await writeEvidence(join(dataDir, 'evidence.sqlite'), events, note);
  return { dataDir, file, history, note };
};

/** Changes the file of a log. */
export const change = ({ file }: LogInFile, sql: string, ...values: (string | number)[]) => {
  const db = new DatabaseSync(file);
  db.prepare(sql).run(...values);
  db.close();
};
