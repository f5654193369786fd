import { hash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createLocalJWKSet, errors, jwtVerify } from 'jose';
import * as z from 'zod';
import { collectionMethod } from '../api/receipts/receipt-claims.ts';
import { OUR_ALGS } from '../domain/signing-key/decider.ts';
import type { Trust } from '../evidence/checkpoint.ts';
import type { Agreed } from '../evidence/compared.ts';
import { leafHash } from '../evidence/leaf.ts';
import { Malformed } from '../evidence/malformed.ts';
import { NotSigned } from '../evidence/note.ts';
import { isProof, openProof } from '../evidence/proof.ts';
import type { Doubt } from '../evidence/verify.ts';
import { CommandFailed } from './command-failed.ts';

/** A consent receipt as it was handed out, and the proof that came with it. */
export interface GivenReceipt {
  receipt: string;
  proof: string | null;
}

/** What was found of a receipt, in the words of the report on a log. */
export interface ReceiptReport {
  verdict: 'no doubt' | 'doubt';
  extent: 'receipt';
  /** What its issuer has signed; null where that is in doubt. */
  receipt: ReceiptClaims | null;
  /** The place of its fact in the log; null where nothing proves one. */
  index: number | null;
  checkpoints: Agreed[];
  first: null;
  doubtCount: number;
  doubts: Doubt[];
}

/** Whom one believes: the issuer of the receipt, by its JWKS, the log, and its witnesses. */
export interface ReceiptTrust extends Required<Trust> {
  jwks: string;
}

type Say = (rule: string, text: string) => void;

/** Verifies that its issuer has signed a receipt, that it says what its fact says, and that this fact is in the log. */
export const verifyReceipt = async (
  { receipt: jwt, proof }: GivenReceipt,
  { jwks, quorum, ...trust }: ReceiptTrust,
): Promise<ReceiptReport> => {
  const doubts: Doubt[] = [];
  const say: Say = (rule, text) => void doubts.push({ rule, index: null, stream: null, revision: null, id: null, text });
  const receipt = await signedClaims(jwt, jwks, say);
  if (receipt !== null) judgeFact(receipt, say);
  const proven = receipt && inLog(receipt.fact.leaf, proof, trust, say);
  if (proven && proven.cosignatures.length < quorum) say('N3', `no checkpoint is cosigned by ${quorum} of these witnesses`);
  return {
    verdict: doubts.length === 0 ? 'no doubt' : 'doubt',
    extent: 'receipt',
    receipt,
    index: proven?.index ?? null,
    checkpoints: proven ? [{ from: 'the proof', size: proven.size, cosignatures: proven.cosignatures.length }] : [],
    first: null,
    doubtCount: doubts.length,
    doubts,
  };
};

// What a Date can hold.
const moment = z.int().min(0).max(8.64e12);

const receiptClaims = z.looseObject({
  iss: z.string(),
  aud: z.string(),
  iat: moment,
  receipt_id: z.string(),
  consent_id: z.string(),
  consent_timestamp: z.string(),
  collection_method: z.string(),
  pii_principal_id: z.string(),
  consent_status: z.string(),
  shown_digest: z.string(),
  fact: z.strictObject({ leaf: z.string(), data: z.string() }),
});
type ReceiptClaims = z.output<typeof receiptClaims>;

const signedClaims = async (jwt: string, jwks: string, say: Say): Promise<ReceiptClaims | null> => {
  try {
    const { payload } = await jwtVerify(jwt, keysIn(jwks), { typ: 'consent-receipt+jwt', algorithms: [...OUR_ALGS] });
    return receiptClaims.parse(payload);
  } catch (error) {
    if (error instanceof errors.JOSEError) say('C1', `no key of the JWKS has signed it as a consent receipt: ${error.message}`);
    else if (error instanceof z.ZodError) say('C1', 'it has not the claims of a consent receipt');
    else throw error;
    return null;
  }
};

const keysIn = (file: string): ReturnType<typeof createLocalJWKSet> => {
  try {
    return createLocalJWKSet(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    throw new CommandFailed(`${file} is no JWKS that can be read`, { cause });
  }
};

const json = z.string().transform((text, context) => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    context.addIssue('no JSON');
    return z.NEVER;
  }
});
const leafOfReceipt = json.pipe(z.looseObject({ ty: z.string(), st: z.string(), id: z.string(), dh: z.string() }));
const agreement = json.pipe(z.looseObject({ psuId: z.string(), deviceId: z.string().nullable(), digest: z.string(), at: moment }));

/** Whether the receipt is of its fact: of an agreement to this consent, with its id, by this PSU, then, to what this digest is of. */
const judgeFact = ({ fact, ...claims }: ReceiptClaims, say: Say): void => {
  const { data: leaf } = leafOfReceipt.safeParse(fact.leaf);
  const { data: agreed } = agreement.safeParse(fact.data);
  if (leaf === undefined || leaf.dh !== hash('sha256', fact.data, 'base64url')) say('C2', 'the leaf is not that of the data of the fact');
  else if (leaf.id !== claims.receipt_id || leaf.st !== `consent-${claims.consent_id}`)
    say('C2', 'the fact is another one, or of another consent');
  else if (!/^ConsentAuthoris(ed|ationGiven)\.v\d+$/.test(leaf.ty)) say('C2', 'the fact is none of an agreement');
  if (agreed === undefined) {
    say('C3', 'the data of the fact is none of an agreement');
    return;
  }
  if (claims.pii_principal_id !== agreed.psuId) say('C3', 'who has agreed is not who the fact says');
  if (claims.shown_digest !== agreed.digest) say('C3', 'the digest of what was shown is not that of the fact');
  if (Date.parse(claims.consent_timestamp) !== agreed.at * 1000) say('C3', 'the moment is not that of the fact');
  if (claims.collection_method !== collectionMethod(agreed.deviceId)) say('C3', 'how it was agreed to is not what the fact says');
};

const inLog = (leaf: string, proof: string | null, trust: Trust, say: Say) => {
  if (proof === null) say('T3', 'no proof came with it that its fact is in the log');
  else
    try {
      const proven = openProof(proof, leafHash(leaf), trust);
      if (proven === null) say('T3', 'nothing proves that its fact is in the tree of the checkpoint');
      return proven;
    } catch (error) {
      if (error instanceof NotSigned) say('N1', `the checkpoint from the proof: ${error.message}`);
      else if (error instanceof Malformed) say('T3', `the proof cannot be read: ${error.message}`);
      else throw error;
    }
  return null;
};

/**
 * The receipt in a file, and its proof; null for what is a log or a bundle. A receipt is a JWT or, with its proof, the JSON that engines answer
 * with; a `.tlog-proof` goes with the file of its receipt.
 */
export const openReceipt = (source: string, receiptFile?: string): GivenReceipt | null => {
  const found = partsIn(source);
  if (found === null) return null;
  const { proof } = found;
  if (found.receipt !== null && receiptFile !== undefined) throw new CommandFailed('--receipt goes with a .tlog-proof');
  if (found.receipt !== null) return { receipt: found.receipt, proof };
  if (receiptFile === undefined) throw new CommandFailed('--receipt is needed: a .tlog-proof does not say of which fact it is');
  const receipt = partsIn(receiptFile)?.receipt ?? null;
  if (receipt === null) throw new CommandFailed(`${receiptFile} is no consent receipt`);
  return { receipt, proof };
};

// Of a log or a bundle that is longer not everything is read to see what it is.
const MOST_BYTES = 1_000_000;
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

const partsIn = (file: string): { receipt: string | null; proof: string | null } | null => {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined || !found.isFile() || found.size > MOST_BYTES) return null;
  const text = readFileSync(file, 'utf8');
  if (isProof(text)) return { receipt: null, proof: text };
  if (JWT.test(text.trim())) return { receipt: text.trim(), proof: null };
  const { data } = answered.safeParse(text);
  return data === undefined ? null : { receipt: data.receipt, proof: data.tlog_proof ?? null };
};

const answered = json.pipe(z.looseObject({ receipt: z.string(), tlog_proof: z.string().optional() }));
