import type { Rows } from '../domain/ports/rows.ts';
import type { Projection } from './projection.ts';

/** The streams of a consent that its id does not tell: the requests that refer to it, the sign-ins and the pushes for them. */
export const consentHistory: Projection = {
  name: 'consent_history',
  version: 4,
  tables: {
    consent_stream: ['create table consent_stream (consent_id text, stream text, primary key (consent_id, stream)) strict, without rowid'],
  },
  on: {
    CibaRequestReceived: (rows, { id, data }) => {
      if (data.consentOrigin === 'lodged') link(rows, data.consentId, `cibaRequest-${id}`);
    },
    AuthorizationRequested: (rows, { id, data }) => {
      if (data.consentOrigin === 'lodged') link(rows, data.consentId, `authorization-${id}`);
    },
    ConsentRetrieved: (rows, { correlationId, data }) => {
      if (data.sessionId !== null) link(rows, correlationId, `authentication-${data.sessionId}`);
    },
    AuthenticationSucceeded: (rows, { id, correlationId, data }) => {
      if (data.flow === 'code' || data.step === 'push') link(rows, correlationId, `authentication-${id}`);
    },
    AuthenticationFailed: (rows, { id, correlationId, data }) => {
      if (data.flow === 'code' || data.step === 'push') link(rows, correlationId, `authentication-${id}`);
    },
    DevicePushAccepted: (rows, { id, revision, correlationId }) => {
      if (revision === 0) link(rows, correlationId, `push-${id}`);
    },
    DevicePushRejected: (rows, { id, revision, correlationId }) => {
      if (revision === 0) link(rows, correlationId, `push-${id}`);
    },
    EventNotificationCreated: (rows, { id, correlationId, data }) => {
      if (data.changeId !== null) link(rows, correlationId, `eventNotification-${id}`);
    },
  },
};

const link = (rows: Rows, consentId: string, stream: string) =>
  rows.run('insert or ignore into consent_stream values (?, ?)', consentId, stream);

/** All streams in which the story of a consent stands, and the position up to which that is known. */
export const consentStreams = (rows: Rows, consentId: string): { streams: readonly string[]; position: number } => {
  const known = rows.get<{ position: number }>(
    `select position from projection where name = 'consent_history' and version = ?`,
    consentHistory.version,
  );
  const linked = known
    ? rows.all<{ stream: string }>('select stream from consent_stream where consent_id = ?', consentId).map(({ stream }) => stream)
    : [];
  return { streams: streamsOf(consentId, linked), position: known?.position ?? 0 };
};

/** The consent's own stream, a request of the same id, those that are linked, and each request's grant and notification. */
export const streamsOf = (consentId: string, linked: readonly string[]): readonly string[] => {
  const streams = new Set([`consent-${consentId}`, `cibaRequest-${consentId}`, `authorization-${consentId}`, ...linked]);
  for (const stream of [...streams]) {
    if (stream.startsWith('authorization-')) streams.add(stream.replace('authorization-', 'grant-'));
    if (!stream.startsWith('cibaRequest-')) continue;
    streams.add(stream.replace('cibaRequest-', 'grant-'));
    streams.add(stream.replace('cibaRequest-', 'notification-'));
  }
  return [...streams];
};
