import { PROFILES } from '../domain/client/profiles.ts';
import type { Rows } from '../domain/ports/rows.ts';
import type { Projection } from './projection.ts';

/**
 * The answers of phones that are still to be published as sign-ins: those to requests of clients whose profile says so. Each is named by
 * the event that says what the phone answered.
 */
export const pushSignIns: Projection = {
  name: 'push_sign_ins',
  version: 2,
  tables: {
    push_sign_in_client: ['create table push_sign_in_client (client_id text primary key) strict, without rowid'],
    push_sign_in_request: [
      'create table push_sign_in_request (request_id text primary key, expires_at integer not null) strict, without rowid',
      'create index push_sign_in_request_expiry on push_sign_in_request (expires_at)',
    ],
    push_sign_in_due: [
      `create table push_sign_in_due (
        answer_id text primary key, request_id text not null, consent_id text not null, device_id text not null, refusal text,
        answered_at integer not null
      ) strict, without rowid`,
    ],
  },
  on: {
    // A client stays in its profile.
    ClientRegistered: (rows, { id, data }) => {
      if (PROFILES[data.metadata.profile].publishesPushSignIns) rows.run('insert into push_sign_in_client values (?)', id);
    },
    CibaRequestReceived: (rows, { id, data }) => {
      if (rows.get('select 1 from push_sign_in_client where client_id = ?', data.clientId) === undefined) return;
      rows.run(
        `delete from push_sign_in_request where request_id in (
          select request_id from push_sign_in_request where expires_at <= ? order by expires_at, request_id limit 4
        )`,
        data.at - KEPT_SECONDS,
      );
      rows.run('insert into push_sign_in_request values (?, ?)', id, data.expiresAt);
    },
    CibaRequestApproved: (rows, event) => answered(rows, event),
    CibaRequestDenied: (rows, event) => answered(rows, event),
    AnswerRefused: (rows, event) => answered(rows, event, event.data.reason),
    AuthenticationSucceeded: (rows, { id }) => published(rows, id),
    AuthenticationFailed: (rows, { id }) => published(rows, id),
  },
};

// An answer may still be refused for as long after the end of its request as its session is known.
const KEPT_SECONDS = 3600;

interface Answered {
  id: string;
  eventId: string;
  correlationId: string;
  data: { deviceId: string | null; at: number };
}

const answered = (
  rows: Rows,
  { id, eventId, correlationId, data: { deviceId, at } }: Answered,
  refusal: PushSignInDue['refusal'] = null,
) => {
  // An answer in a session has its sign-in already.
  if (deviceId === null) return;
  rows.run(
    'insert into push_sign_in_due select ?, request_id, ?, ?, ?, ? from push_sign_in_request where request_id = ?',
    ...[eventId, correlationId, deviceId, refusal, at, id],
  );
};

const published = (rows: Rows, answerId: string) => rows.run('delete from push_sign_in_due where answer_id = ?', answerId);

/** An answer of a phone that is not published yet. */
export interface PushSignInDue {
  answerId: string;
  requestId: string;
  consentId: string;
  deviceId: string;
  /** Why the answer was refused; null for one that was taken. */
  refusal: 'challenge' | 'device' | 'ended' | 'number' | null;
  answeredAt: number;
}

/** The answers that are to be published. */
export const pushSignInsDue = (rows: Rows, limit: number): readonly PushSignInDue[] =>
  rows.all(
    `select answer_id as answerId, request_id as requestId, consent_id as consentId, device_id as deviceId, refusal,
     answered_at as answeredAt from push_sign_in_due limit ?`,
    limit,
  );
