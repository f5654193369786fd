import { z } from 'zod';
import { count, optionalFile } from './kinds.ts';

/** The evidence log: what shows to others that the log was not changed. */
export const evidenceSettings = z.strictObject({
  enabled: z
    .boolean()
    .default(true)
    .describe('Whether the evidence log is kept: a tree over all facts with signed checkpoints, under /tlog.'),
  origin: z
    .string()
    .regex(/^[^\s+]+$/, 'expected a name without spaces and plus')
    .nullable()
    .default(null)
    .describe('The name of the evidence log, once and for all; <host of the issuer>/consents if not set.'),
  keyFile: optionalFile.describe(
    'The PEM file of the Ed25519 private key that signs checkpoints; without it one is made and kept under the master key.',
  ),
  checkpointMs: z.int().min(100).max(60_000).default(1000).describe('The milliseconds within which a fact is covered by a checkpoint.'),
  witnesses: z
    .array(
      z.strictObject({
        url: z.string().refine((value) => URL.canParse(value) && !/[?#]/.test(value), 'expected a URL without query or fragment'),
        key: z.string().regex(/^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$/, 'expected name+key id+key, as the witness prints it'),
      }),
    )
    .default([])
    .describe('The witnesses that cosign checkpoints: the url of each, in front of /add-checkpoint, and its key.'),
  quorum: count.nullable().default(null).describe('How many of them must have cosigned a checkpoint; all if not set.'),
});

/** The same with what follows from the issuer and from one another. */
export const evidenceOf = (given: z.infer<typeof evidenceSettings>, issuer: string) => ({
  ...given,
  origin: given.origin ?? `${new URL(issuer).host}/consents`,
  quorum: given.quorum ?? given.witnesses.length,
});

/** What is wrong with settings that are each right. */
export const wrongEvidence = ({ witnesses, quorum }: z.infer<typeof evidenceSettings>): (string | false)[] => [
  (quorum ?? 0) > witnesses.length && 'evidence.quorum: expected at most as many as there are evidence.witnesses',
  new Set(witnesses.map(({ key }) => key.split('+')[0])).size < witnesses.length &&
    'evidence.witnesses: expected another name in the key of each',
];
