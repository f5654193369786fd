import type { Rows } from '../domain/ports/rows.ts';
import type { Projection } from './projection.ts';

/**
 * The CIBA requests that wait for their answer: what a poll asks and what a PSU's devices list. One that was answered, cancelled or has
 * expired leaves; its stream tells what became of it. Of a consent that several PSUs must agree to, a request whose PSU has agreed is kept
 * beside them as long as the consent waits for the others, for its polls.
 */
export const pendingRequests: Projection = {
  name: 'pending_requests',
  version: 4,
  tables: {
    pending_request: [
      `create table pending_request (
        request_id text primary key, client_id text not null, psu_id text not null, consent_id text not null,
        interval_seconds integer not null, received_at integer not null, expires_at integer not null, cancel_reason text,
        superseded_by text
      ) strict, without rowid`,
      'create index pending_request_psu on pending_request (psu_id)',
      'create index pending_request_consent on pending_request (consent_id) where consent_id <> request_id',
      'create index pending_request_expiry on pending_request (expires_at)',
      'create index pending_request_cancel on pending_request (cancel_reason) where cancel_reason is not null',
    ],
    joint_consent: ['create table joint_consent (consent_id text primary key) strict, without rowid'],
    agreed_request: [
      `create table agreed_request (
        consent_id text, request_id text, client_id text not null, interval_seconds integer not null, expires_at integer not null,
        counts integer not null, primary key (consent_id, request_id)
      ) strict, without rowid`,
      'create index agreed_request_id on agreed_request (request_id) where counts = 1',
      'create index agreed_request_expiry on agreed_request (expires_at)',
    ],
    pending_count: ['create table pending_count (client_id text primary key, pending integer not null) strict, without rowid'],
  },
  on: {
    CibaRequestReceived: (rows, { id, eventId, data }) => {
      rows.run(
        'insert into pending_request values (?, ?, ?, ?, ?, ?, ?, null, null)',
        id,
        data.clientId,
        data.psuId,
        data.consentId,
        data.intervalSeconds,
        data.at,
        data.expiresAt,
      );
      rows.run('insert into pending_count values (?, 1) on conflict (client_id) do update set pending = pending + 1', data.clientId);
      if (data.supersedes !== null)
        rows.run(
          `update pending_request set cancel_reason = 'superseded', superseded_by = ? where request_id = ? and client_id = ?`,
          eventId,
          data.supersedes,
          data.clientId,
        );
    },
    CibaRequestApproved: (rows, { id, data }) => {
      if (data.consentOrigin === 'lodged') keepIfJoint(rows, id, data);
      noLongerPending(rows, id);
    },
    CibaRequestDenied: (rows, { id }) => noLongerPending(rows, id),
    CibaRequestExpired: (rows, { id }) => noLongerPending(rows, id),
    CibaRequestCancelled: (rows, { id }) => noLongerPending(rows, id),
    ConsentLodged: (rows, { id, data }) => {
      if (data.authorisers.length > 1) rows.run('insert into joint_consent values (?)', id);
    },
    // Until then it is not known whether what the PSU has agreed to is the consent as it stands.
    ConsentAuthorisationGiven: (rows, { id, data }) =>
      rows.run('update agreed_request set counts = 1 where consent_id = ? and request_id = ?', id, data.requestId),
    ConsentAuthorised: (rows, { id, data }) => {
      if (id === data.requestId) return;
      cancelThoseOfConsent(rows, id);
      waitsForNobody(rows, id);
    },
    ConsentAmended: (rows, { id }) => waitsForNobody(rows, id),
    ConsentRejected: (rows, { id }) => {
      cancelThoseOfConsent(rows, id);
      jointEnded(rows, id);
    },
    ConsentRevoked: (rows, { id }) => {
      cancelThoseOfConsent(rows, id);
      jointEnded(rows, id);
    },
    ConsentExpired: (rows, { id }) => {
      cancelThoseOfConsent(rows, id);
      jointEnded(rows, id);
    },
    ClientDisabled: (rows, { id }) => rows.run(`update pending_request set cancel_reason = 'client_disabled' where client_id = ?`, id),
  },
};

const noLongerPending = (rows: Rows, requestId: string) => {
  const pending = findPending(rows, requestId);
  if (pending === undefined) return;
  rows.run('delete from pending_request where request_id = ?', requestId);
  rows.run('update pending_count set pending = pending - 1 where client_id = ?', pending.client_id);
};

const keepIfJoint = (rows: Rows, requestId: string, { consentId, at }: { consentId: string; at: number }) => {
  if (rows.get('select 1 from joint_consent where consent_id = ?', consentId) === undefined) return;
  // The streams tell of these that they have expired.
  rows.run(
    `delete from agreed_request where (consent_id, request_id) in (
      select consent_id, request_id from agreed_request where expires_at <= ? order by expires_at, consent_id, request_id limit 4
    )`,
    at,
  );
  rows.run(
    `insert into agreed_request select consent_id, request_id, client_id, interval_seconds, expires_at, 0 from pending_request
     where request_id = ?`,
    requestId,
  );
};

const waitsForNobody = (rows: Rows, consentId: string) => rows.run('delete from agreed_request where consent_id = ?', consentId);

const jointEnded = (rows: Rows, consentId: string) => {
  waitsForNobody(rows, consentId);
  rows.run('delete from joint_consent where consent_id = ?', consentId);
};

/** What is still pending for a consent that takes no answers any more. */
const cancelThoseOfConsent = (rows: Rows, consentId: string) =>
  rows.run(`update pending_request set cancel_reason = 'consent_ended' where consent_id = ? and consent_id <> request_id`, consentId);

/** What a poll needs to know of a request that waits. */
export interface PendingRequest {
  client_id: string;
  consent_id: string;
  interval_seconds: number;
  expires_at: number;
}

/** A request, while it waits for its answer. */
export const findPending = (rows: Rows, requestId: string): PendingRequest | undefined =>
  rows.get<PendingRequest>(
    'select client_id, consent_id, interval_seconds, expires_at from pending_request where request_id = ?',
    requestId,
  );

/** A request, while it waits for its answer, or for other PSUs who must agree to its consent. */
export const findWaiting = (rows: Rows, requestId: string): PendingRequest | undefined =>
  findPending(rows, requestId) ??
  rows.get<PendingRequest>(
    'select client_id, consent_id, interval_seconds, expires_at from agreed_request where request_id = ? and counts = 1',
    requestId,
  );

/** One request that waits for its PSU. */
export interface WaitingRequest {
  requestId: string;
  clientId: string;
  expiresAt: number;
}

/** The requests that wait for a PSU's answer, oldest first. */
export const waitingFor = (rows: Rows, psuId: string, at: number): readonly WaitingRequest[] =>
  rows
    .all<{ request_id: string; client_id: string; expires_at: number }>(
      `select request_id, client_id, expires_at from pending_request
       where psu_id = ? and expires_at > ? order by received_at, request_id`,
      psuId,
      at,
    )
    .map((row) => ({ requestId: row.request_id, clientId: row.client_id, expiresAt: row.expires_at }));

/** The requests that have waited for a PSU's answer for so long, oldest first. */
export const waitingSince = (rows: Rows, psuId: string, at: number, seconds: number, limit: number): readonly string[] =>
  rows
    .all<{ request_id: string }>(
      `select request_id from pending_request
       where psu_id = ? and expires_at > ? and received_at <= ? and cancel_reason is null order by received_at, request_id limit ?`,
      psuId,
      at,
      at - seconds,
      limit,
    )
    .map((row) => row.request_id);

/** Whether a PSU has this many pending requests already. */
export const pendingReached = (rows: Rows, psuId: string, count: number): boolean =>
  rows.get('select 1 from pending_request where psu_id = ? limit 1 offset ?', psuId, count - 1) !== undefined;

/** How many requests of a client are pending. */
export const pendingCount = (rows: Rows, clientId: string): number =>
  rows.get<{ pending: number }>('select pending from pending_count where client_id = ?', clientId)?.pending ?? 0;

/** The pending requests whose time is over. */
export const overdueRequests = (rows: Rows, at: number, limit: number): readonly string[] =>
  rows
    .all<{ request_id: string }>('select request_id from pending_request where expires_at <= ? order by expires_at limit ?', at, limit)
    .map((row) => row.request_id);

type CancelReason = 'consent_ended' | 'client_disabled' | 'superseded';

/** The pending requests that nobody is to answer any more. `supersededBy` is the event of the request that took the place of one. */
export const cancellationsDue = (
  rows: Rows,
  limit: number,
): readonly { requestId: string; reason: CancelReason; supersededBy: string | null }[] =>
  rows.all(
    `select request_id as requestId, cancel_reason as reason, superseded_by as supersededBy from pending_request
     where cancel_reason is not null limit ?`,
    limit,
  );
