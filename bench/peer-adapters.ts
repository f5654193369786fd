import { DatabaseSync, type StatementSync } from 'node:sqlite';
import MemoryAdapter from 'oidc-provider/lib/adapters/memory_adapter.js';

/** What oidc-provider asks of a store, per model. */
type AdapterFactory = (model: string) => object;

/**
 * Its own in-memory adapter on a store without a limit. The one it starts with is an LRU of 1,000 entries:
 * under load it would forget requests that wait for their answer.
 */
export const memoryAdapter = (): AdapterFactory => {
  const store = new UnboundedStore();
  return (model) => new MemoryAdapter(model, store);
};

class UnboundedStore {
  readonly #entries = new Map<string, { value: unknown; expiry: number }>();

  get(key: string): unknown {
    const entry = this.#entries.get(key);
    if (!entry || entry.expiry > Date.now()) return entry?.value;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, value: unknown, { maxAge = Number.POSITIVE_INFINITY } = {}): void {
    this.#entries.set(key, { value, expiry: Date.now() + maxAge });
  }

  delete(key: string): boolean {
    return this.#entries.delete(key);
  }
}

interface Payload {
  grantId?: string;
  uid?: string;
  userCode?: string;
  consumed?: number;
}

type Row = { payload: string; consumed: number | null } | undefined;

const SCHEMA = `
  pragma journal_mode = wal;
  pragma synchronous = full;
  create table entries (
    model text not null, id text not null, payload text not null,
    grant_id text, uid text, user_code text, consumed integer, expires_at integer,
    primary key (model, id)
  ) strict, without rowid;
  create index entries_by_grant on entries (grant_id) where grant_id is not null;
  create index entries_by_uid on entries (uid) where uid is not null;
  create index entries_by_user_code on entries (user_code) where user_code is not null;
`;

const UPSERT = `
  insert into entries (model, id, payload, grant_id, uid, user_code, consumed, expires_at) values (?, ?, ?, ?, ?, ?, ?, ?)
  on conflict (model, id) do update set payload = excluded.payload, grant_id = excluded.grant_id, uid = excluded.uid,
    user_code = excluded.user_code, consumed = excluded.consumed, expires_at = excluded.expires_at`;

const FIND = 'select payload, consumed from entries where model = ? and (expires_at is null or expires_at > ?) and';

const now = (): number => Math.floor(Date.now() / 1000);

/** The straightforward durable adapter: one table, JSON payloads, prepared statements, and each write is on disk when it returns. */
export const sqliteAdapter = (file: string): AdapterFactory => {
  const db = new DatabaseSync(file);
  db.exec(SCHEMA);
  const statements: Statements = {
    upsert: db.prepare(UPSERT),
    find: db.prepare(`${FIND} id = ?`),
    findByUid: db.prepare(`${FIND} uid = ?`),
    findByUserCode: db.prepare(`${FIND} user_code = ?`),
    destroy: db.prepare('delete from entries where model = ? and id = ?'),
    consume: db.prepare('update entries set consumed = ? where model = ? and id = ?'),
    revokeByGrantId: db.prepare('delete from entries where grant_id = ?'),
  };
  return (model) => new SqliteAdapter(model, statements);
};

type Statements = Record<'upsert' | 'find' | 'findByUid' | 'findByUserCode' | 'destroy' | 'consume' | 'revokeByGrantId', StatementSync>;

class SqliteAdapter {
  readonly #model: string;
  readonly #statements: Statements;

  constructor(model: string, statements: Statements) {
    this.#model = model;
    this.#statements = statements;
  }

  async upsert(id: string, payload: Payload, expiresIn?: number): Promise<void> {
    const { grantId = null, uid = null, userCode = null, consumed = null } = payload;
    const expiresAt = expiresIn === undefined ? null : now() + expiresIn;
    this.#statements.upsert.run(this.#model, id, JSON.stringify(payload), grantId, uid, userCode, consumed, expiresAt);
  }

  async find(id: string): Promise<Payload | undefined> {
    return this.#read(this.#statements.find, id);
  }

  async findByUid(uid: string): Promise<Payload | undefined> {
    return this.#read(this.#statements.findByUid, uid);
  }

  async findByUserCode(userCode: string): Promise<Payload | undefined> {
    return this.#read(this.#statements.findByUserCode, userCode);
  }

  async destroy(id: string): Promise<void> {
    this.#statements.destroy.run(this.#model, id);
  }

  async consume(id: string): Promise<void> {
    this.#statements.consume.run(now(), this.#model, id);
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    this.#statements.revokeByGrantId.run(grantId);
  }

  #read(statement: StatementSync, value: string): Payload | undefined {
    const row = statement.get(this.#model, now(), value) as Row;
    if (!row) return undefined;
    const payload = JSON.parse(row.payload) as Payload;
    return row.consumed === null ? payload : { ...payload, consumed: row.consumed };
  }
}
