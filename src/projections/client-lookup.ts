import type { ClientMetadata } from '../domain/client/metadata.ts';
import type { Rows } from '../domain/ports/rows.ts';
import type { Projection } from './projection.ts';

/** client_id → metadata and keys. */
export const clientLookup: Projection = {
  name: 'client_lookup',
  version: 1,
  tables: {
    client: [
      `create table client (
        client_id text primary key, status text not null, metadata text not null, secret_hash text
      ) strict, without rowid`,
    ],
  },
  on: {
    ClientRegistered: (rows, { id, data }) =>
      rows.run(`insert into client values (?, 'active', ?, ?)`, id, JSON.stringify(data.metadata), data.secretHash),
    ClientMetadataReplaced: (rows, { id, data }) => {
      rows.run('update client set metadata = ? where client_id = ?', JSON.stringify(data.metadata), id);
      parsedOf(rows).delete(id);
    },
    ClientDisabled: (rows, { id }) => {
      rows.run(`update client set status = 'disabled' where client_id = ?`, id);
      parsedOf(rows).delete(id);
    },
  },
};

export interface ClientRow {
  status: 'active' | 'disabled';
  metadata: ClientMetadata;
  secretHash: string | null;
}

interface StoredClient {
  status: ClientRow['status'];
  metadata: string;
  secretHash: string | null;
}

interface Parsed {
  row: StoredClient;
  client: ClientRow;
}

// A client is looked up with every call: its row is parsed once, and again when an event has changed it.
const parsed = new WeakMap<Rows, Map<string, Parsed>>();

const parsedOf = (rows: Rows): Map<string, Parsed> => {
  const known = parsed.get(rows) ?? new Map<string, Parsed>();
  parsed.set(rows, known);
  return known;
};

/** A client, the same object until it changes; undefined for an unknown one. */
export const findClient = (rows: Rows, clientId: string): ClientRow | undefined => {
  const known = parsedOf(rows).get(clientId);
  // Where another process applies the events, nobody tells of a change before it can matter: the row does.
  if (known !== undefined && rows.shared !== 'reader') return known.client;
  const row = rows.get<StoredClient>('select status, metadata, secret_hash as secretHash from client where client_id = ?', clientId);
  if (row === undefined) return undefined;
  if (known !== undefined && isSame(known.row, row)) return known.client;
  const client = { ...row, metadata: JSON.parse(row.metadata) as ClientMetadata };
  parsedOf(rows).set(clientId, { row, client });
  return client;
};

const isSame = (one: StoredClient, other: StoredClient): boolean =>
  one.metadata === other.metadata && one.status === other.status && one.secretHash === other.secretHash;

/** The name that a PSU is shown for a client. */
export const clientName = (rows: Rows, clientId: string): string => findClient(rows, clientId)?.metadata.client_name ?? clientId;
