import type { Doubt, Report } from '../evidence/verify.ts';
import type { ReceiptReport } from './verify-receipt.ts';
import type { Verified } from './verify-store.ts';

const MOST_PRINTED = 20;

const written = (number: number): string => number.toLocaleString('en');

const count = (number: number, one: string): string => `${written(number)} ${number === 1 ? one : `${one}s`}`;

/** What was found in a log or a bundle; `given` is the key of the log, null where it came with the facts. */
export const linesOf = ({ report, key }: Verified, given: string | null): string[] => [
  verdictOf(report),
  ...doubtLines(report),
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

/** What was found of a consent receipt: what it proves, where nothing is in doubt. */
export const linesOfReceipt = ({ receipt, index, checkpoints, ...found }: ReceiptReport, key: string): string[] => [
  ...(found.verdict === 'no doubt' && receipt !== null
    ? [
        `no doubt: receipt ${receipt.receipt_id} of consent ${receipt.consent_id}`,
        `  signed by ${receipt.iss} for ${receipt.aud}, at ${new Date(receipt.iat * 1000).toISOString()}, when the consent was ${receipt.consent_status}`,
        `  ${receipt.pii_principal_id} agreed at ${receipt.consent_timestamp} to the text with the digest ${receipt.shown_digest}: ${receipt.collection_method}`,
      ]
    : [`DOUBT: ${count(found.doubtCount, 'doubt')} in the receipt`, ...doubtLines(found)]),
  ...checkpoints.map(
    ({ from, size, cosignatures }) =>
      `  is fact ${index} of the checkpoint of ${count(size, 'fact')} from ${from}, ${count(cosignatures, 'cosignature')}`,
  ),
  `  the log is ${key}`,
];

const verdictOf = ({ verdict, facts, streams, doubtCount, first }: Report): string => {
  const what = `${count(facts, 'fact')} of ${count(streams, 'stream')}`;
  if (verdict === 'no doubt') return `no doubt: ${what}`;
  return `DOUBT: ${count(doubtCount, 'doubt')} in ${what}${first === null ? '' : `, the first at or behind fact ${first}`}`;
};

const doubtLines = ({ doubts, doubtCount }: Pick<Report, 'doubts' | 'doubtCount'>): string[] => [
  ...doubts.slice(0, MOST_PRINTED).map(doubtLine),
  ...(doubtCount > MOST_PRINTED ? [`  and ${written(doubtCount - MOST_PRINTED)} more`] : []),
];

const doubtLine = ({ rule, index, stream, revision, id, text }: Doubt): string => {
  const where = index === null ? '' : ` fact ${index}`;
  return `  ${rule}${where}${stream === null ? '' : `, ${stream} revision ${revision}, event ${id}`}: ${text}`;
};

const sealedOf = ({ sealed: { opened, sealed, erased, removed } }: Report): string =>
  [`${opened} opened`, `${sealed} sealed`, `${erased} erased`, ...(removed > 0 ? [`${removed} taken away after an erasure`] : [])].join(
    ', ',
  );
