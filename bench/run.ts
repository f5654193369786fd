// npm run bench [-- --rounds 5 --seconds 3 --connections 32 --only ceremony --quick]
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { issueServerCertificate, makeAuthority } from '../src/adapters/tls/certificates.ts';
import { EVIDENCE_ROW, measureEvidence } from './evidence.ts';
import { GROWTH_ROW, measureGrowth, measureStartUp, START_ROW } from './growth-rows.ts';
import type { Job, Run } from './load.ts';
import { freePort, type Memory, measureWindow, type Running, type Sample, start } from './measure.ts';
import { measureReadYourWrites, READ_YOUR_WRITES_ROW } from './read-your-writes.ts';
import { type BytesPerRequest, type Contender, type Findings, LIMIT, type Measured, PEERS, type Replay, render } from './report.ts';
import { conditions, writeResults } from './results-file.ts';
import { GROUPS, MEMORY_ROW, OUTSTANDING, REPLAY_ROW, type Row } from './rows.ts';
import { measureStores, STORES_ROW } from './store-rows.ts';
import { targetOf } from './target.ts';
import { measureVerify, VERIFY_ROW } from './verify-rows.ts';
import { measureWorkers, WORKERS_ROW } from './workers.ts';

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
// V8 takes seconds to optimise a server.
const firstWarmUpSeconds = given.quick ? 1 : 4;
const mostOutstanding = given.quick ? Math.min(...OUTSTANDING) : Math.max(...OUTSTANDING);
const connections = Number(given.connections);

const SERVER_CORE = 0;
const LOAD_CORE = 1;
const FILLING_SECONDS = 900;

const SERVERS: Record<Contender, { file: string; args: string[] }> = {
  ours: { file: 'ours.ts', args: [] },
  'peer, memory': { file: 'peer.ts', args: ['--store', 'memory'] },
  'peer, sqlite': { file: 'peer.ts', args: ['--store', 'sqlite'] },
  limit: { file: 'limit.ts', args: [] },
};

const isHere = (file: string): boolean => existsSync(join(import.meta.dirname, file));
/** Who takes part in a row: those who can do what it does. */
const contendersOf = ({ filling }: Row): readonly Contender[] =>
  (filling === null ? PEERS : LIMIT).filter((contender) => isHere(SERVERS[contender].file));

const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true }));

// Pings go over TLS: one authority for the endpoints of all loads, which every server trusts.
const now = Math.floor(Date.now() / 1000);
const validity = { notBefore: now - 60, notAfter: now + 86_400 };
const authority = await makeAuthority('Bench', validity);
const { certificate, key } = await issueServerCertificate(authority, [{ type: 'ip', value: '127.0.0.1' }], validity);
const identity = { certificate, key };
process.env['NODE_EXTRA_CA_CERTS'] = join(folder, 'ca.pem');
writeFileSync(process.env['NODE_EXTRA_CA_CERTS'], authority.certificate);

/** One contender's server, and the load that is prepared to drive it. */
interface Stage {
  row: Row;
  contender: Contender;
  server: Running;
  load: Running;
}

const setUp = async (row: Row, contender: Contender): Promise<Stage> => {
  const { file, args } = SERVERS[contender];
  const notification = row.client === 'ping' ? { port: await freePort(), ...identity } : null;
  const notified = notification === null ? [] : ['--notification', `https://127.0.0.1:${notification.port}/ping`];
  const data = mkdtempSync(join(folder, 'data-'));
  const server = await start(file, [...args, '--id-token-alg', row.idTokenAlg, '--data', data, ...notified], SERVER_CORE);
  const { scenario, client, outstanding, filling } = row;
  if (filling !== null) await server.ask('fill', filling);
  const load = await start('load.ts', [], LOAD_CORE);
  await load.ask('prepare', {
    scenario,
    client,
    outstanding,
    connections,
    target: targetOf(server.ready),
    notification,
    filled: filling?.count ?? 0,
  } satisfies Job);
  return { row, contender, server, load };
};

/** Sets everything up first, so that one can be measured right after the other, and stops it all afterwards. */
const onStage = async <T>(rows: Row[], measure: (stages: Stage[]) => Promise<T>): Promise<T> => {
  const stages: Stage[] = [];
  try {
    for (const row of rows) for (const contender of contendersOf(row)) stages.push(await setUp(row, contender));
    return await measure(stages);
  } finally {
    await Promise.all(stages.flatMap(({ server, load }) => [load.stop(), server.stop()]));
  }
};

const measureTogether = (rows: Row[]): Promise<Measured[]> =>
  onStage(rows, async (stages) => {
    for (const { load } of stages) await load.ask<Run>('run', { seconds: firstWarmUpSeconds });
    const taken: { row: Row; contender: Contender; sample: Sample }[] = [];
    for (let round = 0; round < rounds; round += 1) {
      for (const { row, contender, server, load } of stages)
        taken.push({ row, contender, sample: await measureWindow(server, load, seconds) });
    }
    return rows.map((row) => {
      const samples: Measured['samples'] = {};
      for (const { contender, sample } of taken.filter((one) => one.row === row)) {
        samples[contender] = [...(samples[contender] ?? []), sample];
      }
      return { row, samples };
    });
  });

/** Over HTTP, because a string cut out of a body can keep the whole body alive. */
const measureMemory = (): Promise<BytesPerRequest> =>
  onStage([MEMORY_ROW], async (stages) => {
    const bytes: BytesPerRequest = {};
    for (const { contender, server, load } of stages) {
      await load.ask<Run>('run', { seconds: firstWarmUpSeconds });
      const before = await server.ask<Memory>('memory');
      const { operations } = await load.ask<Run>('run', { seconds: FILLING_SECONDS, operations: mostOutstanding });
      const after = await server.ask<Memory>('memory');
      bytes[contender] = { heap: (after.heap - before.heap) / operations, rss: (after.rss - before.rss) / operations };
    }
    return bytes;
  });

/** replay.ts is ours alone. It prints `ready`, builds its log when asked to `prepare`, and replays it whenever asked to `replay`. */
const measureReplay = async (): Promise<Replay | null> => {
  if (!isHere('replay.ts')) return null;
  const replay = await start('replay.ts', ['--data', mkdtempSync(join(folder, 'data-')), ...(given.quick ? ['--quick'] : [])], SERVER_CORE);
  try {
    const { events, projections } = await replay.ask<{ events: number; projections: string[] }>('prepare');
    const eventsPerSecond: number[] = [];
    for (let round = 0; round < rounds; round += 1) eventsPerSecond.push(await replay.ask<number>('replay', null));
    const alone: Record<string, number> = {};
    for (const name of projections) alone[name] = await replay.ask<number>('replay', name);
    return { events, eventsPerSecond, alone };
  } finally {
    await replay.stop();
  }
};

const isWanted = (name: string): boolean => name.toLowerCase().includes(given.only.toLowerCase());

const where = conditions(folder);
const findings: Findings = {
  measured: [],
  bytesPerRequest: null,
  replay: null,
  startUp: null,
  growth: null,
  stores: null,
  readYourWrites: null,
  workers: null,
  evidence: null,
  verifying: null,
};
for (const group of GROUPS) {
  const rows = group.filter(({ name, outstanding }) => isWanted(name) && outstanding <= mostOutstanding);
  if (rows.length === 0) continue;
  console.error(`measuring ${rows.map(({ name }) => name).join('; ')} …`);
  findings.measured.push(...(await measureTogether(rows)));
}
if (isWanted(MEMORY_ROW.name)) findings.bytesPerRequest = await measureMemory();
if (isWanted(REPLAY_ROW)) findings.replay = await measureReplay();
const ofLogs = { folder, rounds, quick: given.quick, core: SERVER_CORE };
if (isWanted(START_ROW)) findings.startUp = await measureStartUp(ofLogs);
if (isWanted(GROWTH_ROW)) findings.growth = await measureGrowth(ofLogs);
if (isWanted(STORES_ROW)) {
  const cores = { store: SERVER_CORE, server: LOAD_CORE };
  findings.stores = await measureStores({ folder, rounds, seconds, quick: given.quick, cores });
}
if (isWanted(READ_YOUR_WRITES_ROW)) {
  const cores = { nodes: SERVER_CORE, server: LOAD_CORE };
  findings.readYourWrites = await measureReadYourWrites({ folder, times: given.quick ? 100 : 1000, cores });
}
// The CPU time of their processes is counted as only Linux does.
if (isWanted(WORKERS_ROW) && process.platform === 'linux') {
  const warmUpSeconds = firstWarmUpSeconds;
  findings.workers = await measureWorkers({ folder, rounds, seconds, warmUpSeconds, connections, quick: given.quick });
}

if (isWanted(EVIDENCE_ROW)) {
  const cores = { server: SERVER_CORE, load: LOAD_CORE };
  findings.evidence = await measureEvidence({ folder, rounds, seconds, warmUpSeconds: firstWarmUpSeconds, connections, cores });
}
if (isWanted(VERIFY_ROW)) findings.verifying = await measureVerify(ofLogs);

const command = ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' ');
const report = `\`${command}\`: ${where}.\n\n${render(findings)}`;
console.log(report);
// A few of the rows, or a quick look at them, is not a result to keep.
if (!given.quick && given.only === '') writeResults(join(import.meta.dirname, 'RESULTS.md'), report);
