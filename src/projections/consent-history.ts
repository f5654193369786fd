import type { Rows } from '../domain/ports/rows.ts';
import type { Projection } from './projection.ts';

/** The streams in which the story of a consent stands beside its own: its requests', their pushes' and its grant's. */
export const consentHistory: Projection = {
  name: 'consent_history',
  version: 1,
  tables: {
    consent_stream: [
      'create table consent_stream (consent_id text, stream text, primary key (consent_id, stream)) strict, without rowid',
    ],
  },
  on: {
    CibaRequestReceived: (rows, { id, data }) => link(rows, data.consentId, `cibaRequest-${id}`),
    GrantOpened: (rows, { id, data }) => {
      if (data.consentId !== null) link(rows, data.consentId, `grant-${id}`);
    },
    DevicePushAccepted: (rows, { id, revision, correlationId }) => {
      if (revision === 0) link(rows, correlationId, `push-${id}`);
    },
    DevicePushRejected: (rows, { id, revision, correlationId }) => {
      if (revision === 0) link(rows, correlationId, `push-${id}`);
    },
  },
};

const link = (rows: Rows, consentId: string, stream: string) => rows.run('insert into consent_stream values (?, ?)', consentId, stream);

/** The streams of a consent beside its own, and the position up to which that is known. */
export const consentStreams = (rows: Rows, consentId: string): { streams: readonly string[]; position: number } => {
  const position = rows.get<{ position: number }>(`select position from projection where name = 'consent_history' and version = ?`, consentHistory.version);
  if (position === undefined) return { streams: [], position: 0 };
  const streams = rows.all<{ stream: string }>('select stream from consent_stream where consent_id = ?', consentId);
  return { streams: streams.map((row) => row.stream), ...position };
};
