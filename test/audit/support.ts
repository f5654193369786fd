import { EMPTY } from 'rxjs';
import { systemClock, systemIds } from '../../src/adapters/clock.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { auditRoutes } from '../../src/api/audit/routes.ts';
import type { Call } from '../../src/api/route.ts';
import type { Subject } from '../../src/domain/audit/subjects.ts';
import { makeDecide } from '../../src/domain/decide.ts';
import type { EventStore, StoredEvent } from '../../src/domain/ports/event-store.ts';
import type { SealingKeys } from '../../src/domain/ports/sealer.ts';
import type { Json } from '../../src/domain/replay.ts';
import { runAuditIndex } from '../../src/projections/audit-runner.ts';
import type { TestEngine } from '../support/engine.ts';

type Query = Record<string, string | number>;

export interface Fact {
  position: number;
  stream: string;
  type: string;
  version: number;
  actor: { kind: string; id: string };
  reason: string | null;
  causation_id: string | null;
  data: Record<string, unknown>;
  personal: Record<string, unknown> | 'erased' | null;
}

export interface Found {
  facts: Fact[];
  next: string | null;
}

export interface State {
  as_of: number;
  streams: { stream: string; revision: number; position: number; state: Json }[];
  next: string | null;
}

export interface Diff {
  from: number;
  to: number;
  streams: {
    stream: string;
    changes: { path: string; before?: Json; after?: Json; facts: { position: number; type: string; actor: object }[] }[];
  }[];
  next: string | null;
}

/** The audit API over a log, called without HTTP and without leaving a trace: what it reads stays as it is. */
export const auditing = async (store: EventStore, sealer: SealingKeys) => {
  const ids = systemIds;
  const rows = sqliteRows(':memory:');
  const index = runAuditIndex(store, rows, {
    head: await store.head(),
    news: EMPTY,
    onFault(error) {
      throw error;
    },
  });
  const nowhere: EventStore = { ...store, append: async () => ({ revision: 0, position: 0 }) };
  const routes = auditRoutes({
    ...{ store, sealer, auditIndex: index, clock: systemClock, ids, decide: makeDecide({ store: nowhere, sealer, ids }) },
    bearer: async () => ({ clientId: 'auditor', psuId: null }) as Awaited<ReturnType<Parameters<typeof auditRoutes>[0]['bearer']>>,
  });
  const get = async <Body>(path: string, query: Query = {}): Promise<Body> => {
    const given = new URLSearchParams(Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]));
    for (const route of routes) {
      const shape = new RegExp(`^${route.path.replace('{id}', '(?<id>[^/]+)')}$`);
      const params = shape.exec(path)?.groups ?? (shape.test(path) ? {} : null);
      if (params === null) continue;
      const call = { method: 'GET', target: `${path}?${given}`, params, headers: { 'countersign-purpose': 'a test' } };
      return JSON.parse((await route.handle(call as unknown as Call)).body) as Body;
    }
    throw new Error(`there is no ${path}`);
  };
  return { rows, get, stop: index.stop };
};
export type Auditing = Awaited<ReturnType<typeof auditing>>;

/** Every page of a list, one after the other. */
export const allPages = async <Item>(get: (query: Query) => Promise<{ next: string | null; items: readonly Item[] }>): Promise<Item[]> => {
  const all: Item[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { items, next }: { next: string | null; items: readonly Item[] } = await get(cursor === '' ? {} : { cursor });
    all.push(...items);
    cursor = next;
  }
  return all;
};

const PLURAL = { consent: 'consents', request: 'requests', device: 'devices', psu: 'psus', client: 'tpps' };

/** Where a subject is asked about. */
export const pathOf = ({ kind, id }: Subject): string => `/audit/v1/${PLURAL[kind]}/${id}`;

/** The states of a subject, all pages of them. */
export const statesAt = async ({ get }: Auditing, path: string, query: Query = {}) =>
  allPages(async (cursor) => {
    const { streams, next } = await get<State>(`${path}/state`, { limit: 200, ...query, ...cursor });
    return { items: streams, next };
  });

/** The facts of a list, all pages of them. */
export const factsOf = ({ get }: Auditing, path: string, query: Query = {}): Promise<Fact[]> =>
  allPages(async (cursor) => {
    const { facts, next } = await get<Found>(path, { limit: 200, ...query, ...cursor });
    return { items: facts, next };
  });

/** A client of an auditor, and how it reads. */
export const auditor = async (tested: TestEngine, scope = 'audit') => {
  const clientId = await tested.client({ grant_types: ['client_credentials'], scope }, 's3cret');
  const { body } = await tested.post('/oauth2/token', { client_id: clientId, client_secret: 's3cret', grant_type: 'client_credentials' });
  const headers = { authorization: `Bearer ${body['access_token']}`, 'countersign-purpose': 'complaint 4711' };
  const get = (path: string, more: Record<string, string> = {}) =>
    fetch(`${tested.url}/audit/v1${path}`, { headers: { ...headers, ...more } });
  return {
    clientId,
    headers,
    get,
    async read<Body>(path: string): Promise<Body> {
      const response = await get(path);
      const body = (await response.json()) as Body;
      if (response.status !== 200) throw new Error(`${path}: ${response.status} ${JSON.stringify(body)}`);
      return body;
    },
  };
};

/** The reads that the log tells of. */
export const readsIn = (log: readonly StoredEvent[]) =>
  log.filter(({ type }) => type === 'AuditRead').map(({ data }) => JSON.parse(data) as { clientId: string; purpose: string; what: string });
