import * as z from 'zod';
import type { PhoneDialect } from '../../domain/device/events.ts';
import type { DecodedJws } from '../../domain/ports/jws.ts';
import { refused } from './answer-words.ts';

/** What a phone says in its answer, in whichever dialect. */
export interface Stated {
  challenge: string;
  verdict: 'approved' | 'denied';
  /** The accounts that it chose; null for a phone that has no word for it. */
  accountIds: readonly string[] | null;
  /** The number that the PSU has read at the TPP, or null. */
  numberChallenge: string | null;
}

type Claims = DecodedJws['claims'];

const id = z.string().min(1).max(256);
const older = z.object({ chg: id, res: z.string() });
const newer = z.object({
  challenge: id,
  response: z.string(),
  numberChallenge: z.union([z.string(), z.number().transform(String)]).nullish(),
});
/** A JSON text inside the JSON. */
const metadata = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue('not JSON');
      return z.NEVER;
    }
  })
  .pipe(z.object({ approvedAccountIds: z.array(z.string()).max(1000).optional() }));

/** The session that an answer names, before anything of it is believed. Apps of the newer dialect name it in either of two ways. */
export const sessionIn = (claims: Claims, dialect: PhoneDialect): string => {
  const { success, data } = id.safeParse(dialect === 'push' ? (claims['pushAuthId'] ?? claims['pushId']) : claims['sid']);
  if (!success) throw refused('no session');
  return data;
};

/** A token of the newer dialect may name its tenant: there is one. */
export const refuseOtherTenant = ({ tenantDomain = null }: Claims, ours: string): void => {
  if (tenantDomain !== null && tenantDomain !== ours) throw refused('no tenant');
};

/** What the claims of an answer say. */
export const statedIn = (claims: Claims, dialect: PhoneDialect): Stated => (dialect === 'push' ? statedNewer(claims) : statedOlder(claims));

const statedOlder = (claims: Claims): Stated => {
  const { chg: challenge, res } = readable(older, claims);
  const verdict = ({ SUCCESSFUL: 'approved', DENIED: 'denied' } as const)[res];
  if (verdict === undefined) throw refused('unknown answer');
  return { challenge, verdict, accountIds: approvedIn(claims, verdict) ?? [], numberChallenge: null };
};

const statedNewer = (claims: Claims): Stated => {
  const { challenge, response, numberChallenge = null } = readable(newer, claims);
  const verdict = ({ APPROVED: 'approved', DENIED: 'denied' } as const)[response];
  if (verdict === undefined) throw refused('unknown answer');
  return { challenge, verdict, accountIds: approvedIn(claims, verdict), numberChallenge };
};

/** The accounts that an approval names in `mta`; a denial chooses none, whatever stands there. */
const approvedIn = ({ mta = null }: Claims, verdict: Stated['verdict']): readonly string[] | null =>
  verdict === 'denied' || mta === null || mta === '' ? null : (readable(metadata, mta).approvedAccountIds ?? null);

const readable = <Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> => {
  const { success, data } = schema.safeParse(value);
  if (!success) throw refused('not readable');
  return data;
};
