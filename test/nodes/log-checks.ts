import { expect } from '@jest/globals';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';

/** A ceremony that somebody has gone through. */
export interface Finished {
  requestId: string;
  authReqId: string;
  /** Null where the answer with it was lost on its way. */
  token: string | null;
}

/** Every one of them stands in the log once, and whole; and nothing stands there twice. */
export const checkLog = (log: readonly StoredEvent[], finished: readonly Finished[]): void => {
  expect(new Set(log.map(({ id }) => id)).size).toBe(log.length);
  const typesOf = Map.groupBy(log, ({ stream }) => stream);
  const types = (stream: string) => (typesOf.get(stream) ?? []).map(({ type }) => type);
  for (const { requestId } of finished) {
    const request = types(`cibaRequest-${requestId}`).filter((type) => type !== 'ConsentRetrieved');
    expect(request).toEqual(['CibaRequestReceived', 'CibaRequestApproved', 'CibaRequestRedeemed']);
    expect(types(`consent-${requestId}`)).toEqual(['ConsentLodged', 'ConsentAuthorised']);
    expect(types(`grant-${requestId}`)).toEqual(['GrantOpened', 'AccessTokenIssued', 'RefreshTokenIssued']);
  }
};
