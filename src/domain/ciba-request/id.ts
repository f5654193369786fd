import type { Ids } from '../ports/clock.ts';

const TIME_LENGTH = 8;

/** The id of a request, which may be known: the hash of its auth_req_id, which may not, behind the time that both begin with. */
export const requestIdOf = (authReqId: string, { hash }: Pick<Ids, 'hash'>): string => authReqId.slice(0, TIME_LENGTH) + hash(authReqId);
