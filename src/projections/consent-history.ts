import type { EventStore, StoredEvent } from '../domain/ports/event-store.ts';
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

/** Every fact of a consent, in the order in which they happened. */
export const historyOf = async (store: EventStore, rows: Rows, consentId: string): Promise<readonly StoredEvent[]> => {
  const others = rows.all<{ stream: string }>('select stream from consent_stream where consent_id = ?', consentId);
  const streams = [`consent-${consentId}`, ...others.map((row) => row.stream)];
  const facts = await Promise.all(streams.map((stream) => store.read(stream)));
  return facts.flat().sort((one, other) => one.position - other.position);
};
