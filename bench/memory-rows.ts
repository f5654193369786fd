import { count, table } from './figures.ts';
import type { Run } from './load.ts';
import { type How, type Measurement, type Memory, withStarted } from './measure.ts';
import { type Contender, mostOutstanding, PEERS, row } from './rows.ts';
import { setUp } from './stage.ts';

const ROW = row('memory per outstanding request', { scenario: 'cibaRequest', client: 'secret' });
const FILLING_SECONDS = 900;

/** What a server's memory grows by. */
type BytesPerRequest = Partial<Record<Contender, Memory>>;

/** Over HTTP, because a string cut out of a body can keep the whole body alive. */
const measure = (how: How): Promise<BytesPerRequest> =>
  withStarted(async (started) => {
    const bytes: BytesPerRequest = {};
    for (const { contender, server, load } of await setUp(started, [ROW], how)) {
      await load.ask<Run>('run', { seconds: how.warmUpSeconds });
      const before = await server.ask<Memory>('memory');
      const { operations } = await load.ask<Run>('run', { seconds: FILLING_SECONDS, operations: mostOutstanding(how) });
      const after = await server.ask<Memory>('memory');
      bytes[contender] = { heap: (after.heap - before.heap) / operations, rss: (after.rss - before.rss) / operations };
    }
    return bytes;
  });

const render = (bytes: BytesPerRequest): string =>
  table(
    ['bytes per outstanding request (to reach: 1,024)', ...PEERS],
    (['heap', 'rss'] as const).map((kind) => [kind, ...PEERS.map((contender) => (bytes[contender] ? count(bytes[contender][kind]) : '–'))]),
  );

export const memory: Measurement = { name: ROW.name, run: async (how) => render(await measure(how)) };
