import { STATUS_CODES } from 'node:http';
import * as z from 'zod';
import { OAuthError, type OAuthErrorCode } from '../../domain/oauth-error.ts';
import type { Ids } from '../../domain/ports/clock.ts';
import { asRefusal, BASIC_CHALLENGE, json, refusalReply, statusOf } from '../reply.ts';
import type { Route, RouteDoc } from '../route.ts';

/** The reference's codes for devices, each with its status. Where the reference blames itself for a caller's fault, the caller has it. */
const PDM = {
  'PDM-10001': { status: 400, message: 'The device could not be registered.' },
  'PDM-10002': { status: 404, message: 'There is no such device.' },
  'PDM-10004': { status: 400, message: 'The device could not be removed.' },
  'PDM-10005': { status: 400, message: 'The device could not be changed.' },
  'PDM-15001': { status: 401, message: 'The token is not valid.' },
  'PDM-15005': { status: 500, message: 'The user could not be identified.' },
  'PDM-15007': { status: 500, message: 'The device could not be read.' },
  'PDM-15008': { status: 500, message: 'The devices could not be read.' },
  'PDM-15009': { status: 500, message: 'The device could not be removed.' },
  'PDM-15010': { status: 500, message: 'The device could not be changed.' },
  'PDM-15011': { status: 500, message: 'The device could not be registered.' },
} as const;
type Code = keyof typeof PDM;

/** How one call words its refusals. `otherwise` stands for every fault of the caller that has no word of its own. */
export type DeviceWords = Partial<Record<OAuthErrorCode, Code>> & { otherwise: Code };

export const deviceRefusal = z.object({ code: z.string(), message: z.string(), description: z.string(), traceId: z.string() });

/** What kept us from knowing who calls: where it is a fault of ours, a list has a code of its own for it. */
export const unidentified = (error: unknown): OAuthError => {
  const refusal = asRefusal(error);
  if (refusal.error !== 'server_error') return refusal;
  return new OAuthError('server_error', 'the request could not be completed', { cause: error, reason: 'caller unknown' });
};

/** What a refusal is told as by a call with these words. What the reference has no code for has its HTTP status as one. */
const told = (words: DeviceWords, { error, reason }: Pick<OAuthError, 'error' | 'reason'>) => {
  // RFC 9449, section 7.1: at a resource it is about the token.
  const ownStatus = error === 'invalid_dpop_proof' ? 401 : statusOf(error);
  const code = reason === 'caller unknown' ? 'PDM-15005' : (words[error] ?? (ownStatus === 400 ? words.otherwise : null));
  return code === null ? { code: String(ownStatus), status: ownStatus, message: STATUS_CODES[ownStatus] } : { code, ...PDM[code] };
};

/** Refusals with the reference's body. */
export const makeDeviceRefuse =
  (words: DeviceWords, ids: Pick<Ids, 'uuid'>): NonNullable<Route['refuse']> =>
  (refusal) => {
    const { code, status, message } = told(words, refusal);
    const { headers } = refusalReply(refusal);
    const body = { code, message, description: refusal.message, traceId: ids.uuid() };
    return json(status, body, { ...headers, ...(status === 401 && BASIC_CHALLENGE) });
  };

/** The part of a route's description that follows from its words. */
export const deviceRefusalDoc = (words: DeviceWords, errors: readonly OAuthErrorCode[]): Pick<RouteDoc, 'errors' | 'refusal'> => {
  const all: OAuthErrorCode[] = [...new Set<OAuthErrorCode>([...errors, 'method_not_allowed', 'server_error', 'temporarily_unavailable'])];
  const status = Object.fromEntries(all.map((error) => [error, told(words, { error, reason: undefined }).status]));
  return { errors: all, refusal: { schema: deviceRefusal, status } };
};
