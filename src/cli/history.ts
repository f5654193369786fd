import { existsSync } from 'node:fs';
import { sqliteRows } from '../adapters/rows/sqlite.ts';
import type { Config } from '../config.ts';
import type { EventStore, StoredEvent } from '../domain/ports/event-store.ts';
import { consentStreams, streamsOf } from '../projections/consent-history.ts';
import { readModelsOf } from '../serve/store.ts';
import { CommandFailed } from './command-failed.ts';
import { openToRead } from './log.ts';
import type { Tell } from './output.ts';
import { table } from './table.ts';

const PAGE = 1000;

/** Prints the facts of a consent in order, also while an engine runs. What is personal stays sealed. */
export const history = async (config: Config, consentId: string, json: boolean, print: (line: string) => void): Promise<void> => {
  const facts = await readHistory(config, consentId);
  if (facts.length === 0) throw new CommandFailed(`there is no consent ${consentId} in the log`);
  if (json) for (const fact of facts) print(JSON.stringify({ ...fact, data: JSON.parse(fact.data) }));
  else print(table(facts.map(line)));
};

/** Every fact of a consent: from the streams that the read model names, and from what the log holds beyond it, which may be all of it. */
export const readHistory = async (
  config: Config,
  consentId: string,
  tellerOf: (what: string, total: number) => Tell = () => () => undefined,
): Promise<readonly StoredEvent[]> => {
  const log = await openToRead(config);
  try {
    const { streams, position } = knownStreams(readModelsOf(config), consentId);
    const tell = tellerOf('looked through', (await log.head()) - position);
    const all = new Set([...streams, ...(await streamsBeyond(log, position, consentId, tell))]);
    const facts = await Promise.all([...all].map((stream) => log.read(stream)));
    return facts.flat().sort((one, other) => one.position - other.position);
  } finally {
    await log.close();
  }
};

const knownStreams = (file: string, consentId: string): { streams: readonly string[]; position: number } => {
  if (!existsSync(file)) return { streams: streamsOf(consentId, []), position: 0 };
  const rows = sqliteRows(file, { shared: 'reader' });
  try {
    return consentStreams(rows, consentId);
  } finally {
    rows.close();
  }
};

const streamsBeyond = async (log: EventStore, position: number, consentId: string, tell: Tell): Promise<readonly string[]> => {
  const streams: string[] = [];
  let events = 0;
  for (let at = position; ; ) {
    const page = await log.readAll(at, PAGE);
    for (const { correlationId, stream } of page) if (correlationId === consentId) streams.push(stream);
    at = page.at(-1)?.position ?? at;
    events += page.length;
    tell(at - position, events);
    if (page.length < PAGE) return streams;
  }
};

/** One fact as cells: position, moment, type, who caused it, and its public part. */
export const line = ({ position, recordedAt, type, actor, data }: StoredEvent): string[] => [
  String(position),
  new Date(recordedAt).toISOString(),
  type,
  `${actor.kind} ${actor.id}`,
  data,
];
