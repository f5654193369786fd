import { readFileSync } from 'node:fs';
import type { Config } from '../config.ts';
import { COSIGNATURE, NOTE, parseVerifierKey, type SignatureType } from '../evidence/note-key.ts';
import type { Doubt, Report } from '../evidence/verify.ts';
import type { BundleTrust } from '../evidence/verify-bundle.ts';
import { CommandFailed } from './command-failed.ts';
import type { ImportOutput } from './import-devices.ts';
import { progressOf } from './progress.ts';
import { openSource, verifyLines, verifyLog } from './verify-sources.ts';
import { type Verified, verifyCluster, type Watching } from './verify-store.ts';

/** What is verified, and against what. */
export interface VerifyOf {
  /** A file, a directory or standard input; the settings of nodes for the log of their cluster. */
  source: string | Config;
  /** Files with signed checkpoints that were kept elsewhere. */
  checkpoints: readonly string[];
  key: string | null;
  witnesses: readonly string[];
  /** How many of the witnesses must have cosigned; null for all of them. */
  quorum: number | null;
  /** A directory of keys, or the file of a master key. */
  keys: string | null;
  json: boolean;
  /** A consent whose facts are listed. */
  consentId: string | null;
}

const MOST_PRINTED = 20;

/** Verifies a log or a bundle, without any server, and says what it found. Whether nothing is in doubt. */
export const verify = async (of: VerifyOf, output: ImportOutput): Promise<boolean> => {
  const trust = { key: of.key, witnesses: of.witnesses, quorum: quorumOf(of), kept: of.checkpoints.map(keptIn) };
  if (of.key !== null) mustBeKey(of.key, NOTE);
  for (const key of of.witnesses) mustBeKey(key, COSIGNATURE);
  const told: string[] = [];
  let tell: ReturnType<typeof progressOf> | null = null;
  const watching = {
    progress(done: number, total: number, facts?: number) {
      tell ??= progressOf('verified', total, { ...output, print: console.error });
      tell(done, facts);
    },
    fact(index: number, { correlationId, stream, revision, recordedAt, type, actor }: Parameters<typeof lineOf>[1]) {
      if (correlationId === of.consentId) told.push(lineOf(index, { correlationId, stream, revision, recordedAt, type, actor }));
    },
  };
  const verified = await verifySource(of, trust, watching);
  const { report, key } = verified;
  if (of.json)
    output.print(JSON.stringify({ ...report, key, keyGiven: of.key !== null, ...(of.consentId !== null && { timeline: told }) }));
  else for (const line of [...linesOf(verified, of), ...told]) output.print(line);
  if (report.verdict === 'no doubt' && of.consentId !== null && told.length === 0)
    throw new CommandFailed(`there is nothing of a consent ${of.consentId} in it`);
  return report.verdict === 'no doubt';
};

const verifySource = ({ source: given, keys }: VerifyOf, trust: BundleTrust, watching: Watching): Promise<Verified> => {
  if (typeof given !== 'string') return verifyCluster(given, trust, keys, watching);
  const source = openSource(given);
  if ('log' in source) return verifyLog(source.log, trust, keys, watching);
  if (keys !== null) throw new CommandFailed('a bundle brings the keys that it is opened with');
  return verifyLines(source.lines, trust, watching);
};

const quorumOf = ({ quorum, witnesses }: VerifyOf): number => {
  if (quorum === null) return witnesses.length;
  if (!Number.isInteger(quorum) || quorum < 0) throw new CommandFailed('--quorum: expected a number of witnesses');
  if (quorum > witnesses.length) throw new CommandFailed('--quorum asks for more witnesses than --witness names');
  return quorum;
};

const keptIn = (file: string) => {
  try {
    return { note: readFileSync(file, 'utf8'), from: file };
  } catch (cause) {
    throw new CommandFailed(`${file} cannot be read`, { cause });
  }
};

const mustBeKey = (key: string, type: SignatureType) => {
  try {
    parseVerifierKey(key, type);
  } catch (cause) {
    const whose = type === NOTE ? 'a log' : 'a witness';
    throw new CommandFailed(`${key} is no key of ${whose}: name, id in hex and base64, joined by plus signs`, { cause });
  }
};

interface Listed {
  correlationId: string;
  stream: string;
  revision: number;
  recordedAt: number;
  type: string;
  actor: { kind: string; id: string };
}
const lineOf = (index: number, { stream, revision, recordedAt, type, actor }: Listed): string =>
  `${index}  ${new Date(recordedAt).toISOString()}  ${type}  ${actor.kind} ${actor.id}  ${stream} ${revision}`;

const count = (number: number, one: string, more = `${one}s`): string => `${number.toLocaleString('en')} ${number === 1 ? one : more}`;

const linesOf = ({ report, key }: Verified, { key: given }: VerifyOf): string[] => [
  verdictOf(report),
  ...report.doubts.slice(0, MOST_PRINTED).map(doubtLine),
  ...(report.doubtCount > MOST_PRINTED ? [`  and ${count(report.doubtCount - MOST_PRINTED, 'more')}`.replace('mores', 'more')] : []),
  ...report.checkpoints.map(
    ({ from, size, cosignatures }) =>
      `  agrees with the checkpoint of ${count(size, 'fact')} from ${from}, ${count(cosignatures, 'cosignature')}`,
  ),
  ...(report.uncovered > 0 ? [`  ${count(report.uncovered, 'fact')} behind all checkpoints`] : []),
  `  ${count(report.tokens, 'access token')}, ${count(report.signatures, 'signature')} of devices verified`,
  `  sealed parts: ${sealedOf(report)}`,
  ...(!report.replayed ? ['  the rules were not replayed: what came before is not there'] : []),
  given === null ? `  the key came with the facts; compare it with one from elsewhere: ${key}` : `  the log is ${key}`,
];

const verdictOf = ({ verdict, facts, streams, doubtCount, first }: Report): string => {
  const what = `${count(facts, 'fact')} of ${count(streams, 'stream')}`;
  if (verdict === 'no doubt') return `no doubt: ${what}`;
  return `DOUBT: ${count(doubtCount, 'doubt')} in ${what}${first === null ? '' : `, the first at or behind fact ${first}`}`;
};

const doubtLine = ({ rule, index, stream, revision, id, text }: Doubt): string => {
  const where = index === null ? '' : ` fact ${index}`;
  return `  ${rule}${where}${stream === null ? '' : `, ${stream} revision ${revision}, event ${id}`}: ${text}`;
};

const sealedOf = ({ sealed: { opened, sealed, erased, removed } }: Report): string =>
  [`${opened} opened`, `${sealed} sealed`, `${erased} erased`, ...(removed > 0 ? [`${removed} taken away after an erasure`] : [])].join(
    ', ',
  );
