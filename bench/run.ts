// npm run bench [-- --rounds 5 --seconds 3 --connections 32 --only ceremony --quick]
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Job, Run } from './load.ts';
import { type Memory, type Running, start } from './measure.ts';
import { type Contender, conditions, type Findings, type Measured, render, type Sample, writeResults } from './report.ts';
import { GROUPS, MEMORY_ROW, OUTSTANDING, REPLAY_ROW, type Row } from './rows.ts';
import type { ListeningTarget, Target } from './target.ts';

const { values: given } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '32' },
    only: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
  },
});

const rounds = given.quick ? 1 : Number(given.rounds);
const seconds = given.quick ? 1 : Number(given.seconds);
const warmUpSeconds = given.quick ? 0.5 : 1;
const mostOutstanding = given.quick ? (OUTSTANDING[0] ?? 0) : Math.max(...OUTSTANDING);
const connections = Number(given.connections);

const SERVER_CORE = 0;
const LOAD_CORE = 1;

const SERVERS: Record<Contender, { file: string; args: string[] }> = {
  ours: { file: 'ours.ts', args: [] },
  'peer, memory': { file: 'peer.ts', args: ['--store', 'memory'] },
  'peer, sqlite': { file: 'peer.ts', args: ['--store', 'sqlite'] },
};

const isHere = (file: string): boolean => existsSync(join(import.meta.dirname, file));
const contenders = (Object.keys(SERVERS) as Contender[]).filter((contender) => isHere(SERVERS[contender].file));

/** What a server is started for, and the load prepared for. */
type Play = Pick<Row, 'scenario' | 'client' | 'outstanding' | 'idTokenAlg'>;

/** One contender's server and the load that drives it. */
interface Stage<P extends Play> {
  play: P;
  contender: Contender;
  server: Running;
  load: Running;
}

const setUp = async <P extends Play>(play: P, contender: Contender, folder: string): Promise<Stage<P>> => {
  const { scenario, client, outstanding, idTokenAlg } = play;
  const { file, args } = SERVERS[contender];
  const data = mkdtempSync(join(folder, 'server-'));
  const server = await start(file, [...args, '--id-token-alg', idTokenAlg, '--data', data], SERVER_CORE);
  const [, port, json] = /^(\d+) (.*)$/.exec(server.ready) ?? [];
  if (!port || !json) throw new Error(`${file} must print: ready <port> <json>`);
  const target: ListeningTarget = { ...(JSON.parse(json) as Target), port: Number(port) };
  const load = await start('load.ts', [], LOAD_CORE);
  const job: Job = { scenario, client, outstanding, connections, target };
  await load.ask('prepare', job);
  return { play, contender, server, load };
};

/** Sets everything up first, so that each round can measure one right after the other, and clears up afterwards. */
const onStage = async <P extends Play, T>(plays: P[], measure: (stages: Stage<P>[]) => Promise<T>): Promise<T> => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  const stages: Stage<P>[] = [];
  try {
    for (const play of plays) for (const contender of contenders) stages.push(await setUp(play, contender, folder));
    return await measure(stages);
  } finally {
    await Promise.all(stages.flatMap(({ server, load }) => [load.stop(), server.stop()]));
    rmSync(folder, { recursive: true });
  }
};

const measureTogether = (rows: Row[]): Promise<Measured[]> =>
  onStage(rows, async (stages) => {
    const measured = new Map<Row, Measured['samples']>(rows.map((row) => [row, {}]));
    for (let round = 0; round < rounds; round += 1) {
      for (const { play, contender, server, load } of stages) {
        const samples = measured.get(play) ?? {};
        samples[contender] = [...(samples[contender] ?? []), await sample(server, load)];
      }
    }
    return rows.map((row) => ({ row, samples: measured.get(row) ?? {} }));
  });

const sample = async (server: Running, load: Running): Promise<Sample> => {
  await load.ask<Run>('run', { seconds: warmUpSeconds });
  const before = await server.ask<number>('cpu');
  const run = await load.ask<Run>('run', { seconds });
  const after = await server.ask<number>('cpu');
  return { ...run, cpuMicros: (after - before) / run.operations };
};

/** Over HTTP, because a string cut out of a body can keep the whole body alive. */
const measureMemory = (): Promise<Findings['bytesPerRequest']> =>
  onStage<Play, Findings['bytesPerRequest']>(
    [{ scenario: 'cibaRequest', client: 'secret', outstanding: 0, idTokenAlg: 'ES256' }],
    async (stages) => {
      const bytes: NonNullable<Findings['bytesPerRequest']> = {};
      for (const { contender, server, load } of stages) {
        await load.ask<Run>('run', { seconds: warmUpSeconds });
        const before = await server.ask<Memory>('memory');
        const { operations } = await load.ask<Run>('run', { seconds: 900, operations: mostOutstanding });
        const after = await server.ask<Memory>('memory');
        bytes[contender] = { heap: (after.heap - before.heap) / operations, rss: (after.rss - before.rss) / operations };
      }
      return bytes;
    },
  );

/** replay.ts is ours alone. It prints `ready`, builds its log when asked to `prepare`, and replays it whenever asked to `replay`. */
const measureReplay = async (): Promise<Findings['replay']> => {
  if (!isHere('replay.ts')) return null;
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  const replay = await start('replay.ts', ['--data', folder, ...(given.quick ? ['--quick'] : [])], SERVER_CORE);
  try {
    const { events } = await replay.ask<{ events: number }>('prepare');
    const eventsPerSecond: number[] = [];
    for (let round = 0; round < rounds; round += 1) eventsPerSecond.push(await replay.ask<number>('replay'));
    return { events, eventsPerSecond };
  } finally {
    await replay.stop();
    rmSync(folder, { recursive: true });
  }
};

const wanted = (name: string): boolean => name.toLowerCase().includes(given.only.toLowerCase());

const findings: Findings = { measured: [], bytesPerRequest: null, replay: null };
for (const group of GROUPS) {
  const rows = group.filter(({ name, outstanding }) => wanted(name) && outstanding <= mostOutstanding);
  if (rows.length === 0) continue;
  console.error(`measuring ${rows.map(({ name }) => name).join('; ')} …`);
  findings.measured.push(...(await measureTogether(rows)));
}
if (wanted(MEMORY_ROW)) findings.bytesPerRequest = await measureMemory();
if (wanted(REPLAY_ROW)) findings.replay = await measureReplay();

const command = ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' ');
const report = `${conditions(tmpdir(), command)}\n\n${render(findings)}`;
console.log(report);
// A part of the rows, or a quick look at them, is not a result to keep.
if (!given.quick && given.only === '') writeResults(join(import.meta.dirname, 'RESULTS.md'), report);
