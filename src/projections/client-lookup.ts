import type { ClientMetadata } from '../domain/client/metadata.ts';
import type { Rows } from '../domain/ports/rows.ts';
import type { Projection } from './projection.ts';

/** client_id → metadata and keys. `position` changes with every change of the client, so that what was made from a row can be kept. */
export const clientLookup: Projection = {
  name: 'client_lookup',
  version: 1,
  tables: {
    client: [
      `create table client (
        client_id text primary key, position integer not null, status text not null, metadata text not null, secret_hash text
      ) strict, without rowid`,
    ],
  },
  on: {
    ClientRegistered: (rows, { id, position, data }) =>
      rows.run(`insert into client values (?, ?, 'active', ?, ?)`, id, position, JSON.stringify(data.metadata), data.secretHash),
    ClientMetadataReplaced: (rows, { id, position, data }) =>
      rows.run('update client set metadata = ?, position = ? where client_id = ?', JSON.stringify(data.metadata), position, id),
    ClientDisabled: (rows, { id, position }) =>
      rows.run(`update client set status = 'disabled', position = ? where client_id = ?`, position, id),
  },
};

export interface ClientRow {
  position: number;
  status: 'active' | 'disabled';
  metadata: ClientMetadata;
  secretHash: string | null;
}

/** Where the client was changed last, or undefined for an unknown one. */
export const clientPosition = (rows: Rows, clientId: string): number | undefined =>
  rows.get<{ position: number }>('select position from client where client_id = ?', clientId)?.position;

export const findClient = (rows: Rows, clientId: string): ClientRow | undefined => {
  const row = rows.get<{ position: number; status: ClientRow['status']; metadata: string; secret_hash: string | null }>(
    'select position, status, metadata, secret_hash from client where client_id = ?',
    clientId,
  );
  return row && { position: row.position, status: row.status, metadata: JSON.parse(row.metadata), secretHash: row.secret_hash };
};

/** The name that a PSU is shown for a client. */
export const clientName = (rows: Rows, clientId: string): string => findClient(rows, clientId)?.metadata.client_name ?? clientId;
