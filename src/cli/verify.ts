import { readFileSync } from 'node:fs';
import type { Config } from '../config.ts';
import { COSIGNATURE, NOTE, parseVerifierKey, type SignatureType, type VerifierKey } from '../evidence/note-key.ts';
import type { BundleTrust } from '../evidence/verify-bundle.ts';
import { CommandFailed } from './command-failed.ts';
import { type Output, progressOf, type Tell } from './output.ts';
import { linesOf, linesOfReceipt } from './verify-lines.ts';
import { type GivenReceipt, openReceipt, verifyReceipt } from './verify-receipt.ts';
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
  /** The file of the receipt that a `.tlog-proof` belongs to. */
  receipt?: string | undefined;
  /** The file of the JWKS of who issued a receipt. */
  jwks?: string | undefined;
  json: boolean;
  /** A consent whose facts are listed. */
  consentId: string | null;
}

/** Verifies a log, a bundle or a consent receipt, without any server, and says what it found. Whether nothing is in doubt. */
export const verify = async (of: VerifyOf, output: Output): Promise<boolean> => {
  const trust = { key: of.key, witnesses: of.witnesses, quorum: quorumOf(of), kept: of.checkpoints.map(keptIn) };
  const log = of.key === null ? null : keyIn(of.key, NOTE);
  const witnesses = of.witnesses.map((one) => keyIn(one, COSIGNATURE));
  const receipt = typeof of.source === 'string' ? openReceipt(of.source, of.receipt) : null;
  if (receipt !== null) return verifyOne(receipt, { log, witnesses, quorum: trust.quorum }, of, output);
  if (of.jwks !== undefined || of.receipt !== undefined) throw new CommandFailed('--jwks and --receipt go with a consent receipt');
  const told: string[] = [];
  let tell: Tell | null = null;
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
  else for (const line of [...linesOf(verified, of.key), ...told]) output.print(line);
  if (report.verdict === 'no doubt' && of.consentId !== null && told.length === 0)
    throw new CommandFailed(`there is nothing of a consent ${of.consentId} in it`);
  return report.verdict === 'no doubt';
};

const verifyOne = async (
  receipt: GivenReceipt,
  { log, ...trust }: { log: VerifierKey | null; witnesses: readonly VerifierKey[]; quorum: number },
  { jwks, keys, consentId, checkpoints, json }: VerifyOf,
  { print }: Output,
): Promise<boolean> => {
  if (keys !== null || consentId !== null || checkpoints.length > 0)
    throw new CommandFailed('a receipt is of one fact: --keys, --consent and --checkpoint go with logs and bundles');
  if (log === null) throw new CommandFailed('--key is needed: the key of the log, as /tlog/key says it');
  if (jwks === undefined) throw new CommandFailed('--jwks is needed: the public keys of who issued the receipt, as jwks_uri says them');
  const report = await verifyReceipt(receipt, { ...trust, log, jwks });
  if (json) print(JSON.stringify({ ...report, key: log.text, keyGiven: true }));
  else for (const line of linesOfReceipt(report, log.text)) print(line);
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

const keyIn = (key: string, type: SignatureType): VerifierKey => {
  try {
    return parseVerifierKey(key, type);
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
