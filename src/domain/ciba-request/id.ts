import type { Ids } from '../ports/clock.ts';

const TIME_LENGTH = 8;

/** The id of a request, which may be known: the hash of its auth_req_id, which may not, behind the time that both begin with. */
export const requestIdOf = (authReqId: string, { hash }: Pick<Ids, 'hash'>): string => authReqId.slice(0, TIME_LENGTH) + hash(authReqId);

/**
 * The UUID by which phones of the reference know a request: the first bits of the hash in its id, which tell nothing of its auth_req_id. The
 * version is 8 (RFC 9562, section 5.8).
 */
export const sessionDataKeyOf = (requestId: string): string => {
  const bytes = Buffer.from(requestId.slice(TIME_LENGTH), 'base64url').subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
};
