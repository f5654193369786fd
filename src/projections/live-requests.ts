import type { Sealed } from '../domain/ports/sealer.ts';
import type { Rows } from '../domain/ports/rows.ts';
import type { Projection } from './projection.ts';

/**
 * The CIBA requests that are not finished: what a poll asks and what a PSU's devices list. One that has been denied, redeemed,
 * cancelled or has expired leaves; its stream still tells.
 */
export const liveRequests: Projection = {
  name: 'live_requests',
  version: 1,
  tables: {
    live_request: [
      `create table live_request (
        request_id text primary key, client_id text not null, psu_id text not null, consent_id text not null, status text not null,
        interval_seconds integer not null, received_at integer not null, expires_at integer not null, sealed text not null,
        cancel_reason text
      ) strict, without rowid`,
      `create index live_request_psu on live_request (psu_id) where status = 'pending'`,
      'create index live_request_consent on live_request (consent_id)',
      'create index live_request_expiry on live_request (expires_at)',
      'create index live_request_cancel on live_request (cancel_reason) where cancel_reason is not null',
    ],
    live_request_count: ['create table live_request_count (client_id text primary key, live integer not null) strict, without rowid'],
  },
  on: {
    CibaRequestReceived: (rows, { id, data, sealed }) => {
      rows.run(
        `insert into live_request values (?, ?, ?, ?, 'pending', ?, ?, ?, ?, null)`,
        id,
        data.clientId,
        data.psuId,
        data.consentId,
        data.intervalSeconds,
        data.at,
        data.expiresAt,
        JSON.stringify(sealed),
      );
      rows.run('insert into live_request_count values (?, 1) on conflict (client_id) do update set live = live + 1', data.clientId);
    },
    CibaRequestApproved: (rows, { id }) =>
      rows.run(`update live_request set status = 'approved', cancel_reason = null where request_id = ?`, id),
    CibaRequestDenied: (rows, { id }) => finished(rows, id),
    CibaRequestRedeemed: (rows, { id }) => finished(rows, id),
    CibaRequestExpired: (rows, { id }) => finished(rows, id),
    CibaRequestCancelled: (rows, { id }) => finished(rows, id),
    ConsentRevoked: (rows, { id }) => cancelThoseOf(rows, 'consent_id', id, 'consent_ended'),
    ConsentExpired: (rows, { id }) => cancelThoseOf(rows, 'consent_id', id, 'consent_ended'),
    ClientDisabled: (rows, { id }) => cancelThoseOf(rows, 'client_id', id, 'client_disabled'),
  },
};

const finished = (rows: Rows, requestId: string) => {
  const gone = rows.get<{ client_id: string }>('delete from live_request where request_id = ? returning client_id', requestId);
  if (gone !== undefined) rows.run('update live_request_count set live = live - 1 where client_id = ?', gone.client_id);
};

const cancelThoseOf = (rows: Rows, column: 'consent_id' | 'client_id', id: string, reason: CancelReason) =>
  rows.run(`update live_request set cancel_reason = ? where ${column} = ? and status = 'pending'`, reason, id);

/** What a poll needs to know of a live request. */
export interface PollStatus {
  client_id: string;
  consent_id: string;
  status: 'pending' | 'approved';
  interval_seconds: number;
  expires_at: number;
}

export const pollStatus = (rows: Rows, requestId: string): PollStatus | undefined =>
  rows.get<PollStatus>('select client_id, consent_id, status, interval_seconds, expires_at from live_request where request_id = ?', requestId);

/** One request that waits for its PSU. */
export interface WaitingRequest {
  requestId: string;
  clientId: string;
  expiresAt: number;
  sealed: Sealed;
}

/** The requests that wait for a PSU's answer, oldest first. */
export const waitingFor = (rows: Rows, psuId: string, at: number): readonly WaitingRequest[] =>
  rows
    .all<{ request_id: string; client_id: string; expires_at: number; sealed: string }>(
      `select request_id, client_id, expires_at, sealed from live_request
       where psu_id = ? and status = 'pending' and expires_at > ? order by received_at, request_id`,
      psuId,
      at,
    )
    .map((row) => ({ requestId: row.request_id, clientId: row.client_id, expiresAt: row.expires_at, sealed: JSON.parse(row.sealed) }));

/** Whether a PSU has this many pending requests already. */
export const pendingReached = (rows: Rows, psuId: string, count: number): boolean =>
  rows.get(`select 1 from live_request where psu_id = ? and status = 'pending' limit 1 offset ?`, psuId, count - 1) !== undefined;

/** How many requests of a client are not finished. */
export const liveCount = (rows: Rows, clientId: string): number =>
  rows.get<{ live: number }>('select live from live_request_count where client_id = ?', clientId)?.live ?? 0;

/** The live requests whose time is over. */
export const overdueRequests = (rows: Rows, at: number, limit: number): readonly string[] =>
  rows
    .all<{ request_id: string }>('select request_id from live_request where expires_at <= ? order by expires_at limit ?', at, limit)
    .map((row) => row.request_id);

type CancelReason = 'consent_ended' | 'client_disabled';

/** The pending requests that nobody can answer any more. */
export const cancellationsDue = (rows: Rows, limit: number): readonly { requestId: string; reason: CancelReason }[] =>
  rows.all('select request_id as requestId, cancel_reason as reason from live_request where cancel_reason is not null limit ?', limit);

/** The consent of a live request. */
export const findLiveConsent = (rows: Rows, requestId: string): string | undefined =>
  rows.get<{ consent_id: string }>('select consent_id from live_request where request_id = ?', requestId)?.consent_id;
