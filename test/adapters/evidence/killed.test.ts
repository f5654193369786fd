import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { sqliteEventReader } from '../../../src/adapters/event-store/sqlite.ts';
import { openCheckpoint } from '../../../src/evidence/checkpoint.ts';
import { parseVerifierKey } from '../../../src/evidence/note-key.ts';
import { consistencyProof, verifyConsistency } from '../../../src/evidence/tree.ts';
import { ask, type Connection, type Engine, enginesOfTests, environmentWith, secretOf } from '../../workers/support.ts';
import { rootOver, treeOver, until } from './keeping.ts';

const TPP = secretOf('tpp');
const ROUNDS = 2;

const startEngine = enginesOfTests();

const checkpointOf = async ({ issuer }: Engine, { fetch }: Connection) => {
  const text = async (path: string) => (await fetch(`${issuer}/tlog/${path}`)).text();
  return openCheckpoint(await text('checkpoint'), { log: parseVerifierKey((await text('key')).trim()) });
};

test('an engine that is killed while it publishes goes on with the chain, and its workers serve it', async () => {
  const env = await environmentWith({ tpp: {} });
  let older: Awaited<ReturnType<typeof checkpointOf>> | null = null;
  for (let round = 0; round < ROUNDS; round += 1) {
    const engine = await startEngine(2, env);
    const log = sqliteEventReader(join(engine.dataDir, 'log.sqlite'));
    const connections = await engine.connections(2);
    const [one, two] = connections as [Connection, Connection];
    for (const connection of connections)
      await until(async () => (await connection.fetch(`${engine.issuer}/tlog/checkpoint`)).status === 200);
    for (let n = 0; n < 20; n += 1) await ask(n % 2 === 0 ? one : two, TPP);
    const facts = await log.head();
    for (const connection of connections) await until(async () => (await checkpointOf(engine, connection)).size >= facts);
    // Some of what comes now is covered by no checkpoint when it dies.
    const asking = Promise.allSettled(Array.from({ length: 20 }, () => ask(one, TPP)));
    const newer = await checkpointOf(engine, two);
    engine.process.kill('SIGKILL');
    await Promise.all([engine.ended, asking]);
    expect(newer.root).toEqual(await rootOver(log, newer.size));
    if (older !== null) {
      const proof = consistencyProof(older.size, newer.size, await treeOver(log));
      expect(verifyConsistency({ ...newer, older: older.size, olderRoot: older.root, proof })).toBe(true);
    }
    older = newer;
    await log.close();
    await Promise.all(connections.map((connection) => connection.close()));
  }
}, 120_000);
