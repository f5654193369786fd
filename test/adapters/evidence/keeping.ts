import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, expect } from '@jest/globals';
import {
  type Chain,
  type CheckpointRecords,
  CONTRADICTION,
  chainIn,
  contradictionText,
  recordsInFile,
} from '../../../src/adapters/evidence/checkpoints.ts';
import { evidenceLog } from '../../../src/adapters/evidence/evidence-log.ts';
import { type Keeping, keepEvidence } from '../../../src/adapters/evidence/keeper.ts';
import { type GrowingTiles, growingTiles } from '../../../src/adapters/evidence/tiles.ts';
import type { EventStore } from '../../../src/domain/ports/event-store.ts';
import { parseCheckpoint } from '../../../src/evidence/checkpoint.ts';
import { leafHash, leafOf } from '../../../src/evidence/leaf.ts';
import type { EvidenceLog } from '../../../src/evidence/log.ts';
import { partsOfNote } from '../../../src/evidence/note.ts';
import { logSigner, type NoteSigner } from '../../../src/evidence/note-key.ts';
import { consistencyProof, EMPTY_ROOT, growing, type HashAt, rootAt, verifyConsistency } from '../../../src/evidence/tree.ts';
import { newEvents } from '../../support/new-events.ts';
import { temporaryFolder } from '../../support/served.ts';

export const ORIGIN = 'bank.example/consents';

/** The evidence log of one node. */
export interface KeptLog {
  tiles: GrowingTiles;
  chain: Chain;
  evidence: EvidenceLog;
  faults: readonly string[];
  /** Ends it in order. */
  stop(): Promise<void>;
}

interface Options extends Partial<Pick<Keeping, 'onDuty' | 'onHalt' | 'witnesses' | 'checkpointMs'>> {
  file?: string;
  key?: KeyObject;
  /** What nodes share; their own file if not given. */
  records?: CheckpointRecords;
  /** Stands between the node and the chain. */
  through?: (chain: Chain, signer: NoteSigner) => Chain;
}

const KEY = generateKeyPairSync('ed25519').privateKey;

/** Keeps the evidence log of a store, with a checkpoint every 100 ms. */
export const keepLog = (store: Pick<EventStore, 'follow'>, options: Options = {}): KeptLog => {
  const { file = freshFile(), key = KEY, records, through = (chain) => chain, ...given } = options;
  const signer = logSigner(ORIGIN, key);
  const tiles = growingTiles(file, ORIGIN);
  const inFile = recordsInFile(file);
  const chain = through(chainIn(records ?? inFile, signer.verifierKey), signer);
  const faults: string[] = [];
  const keeper = keepEvidence({
    ...{ store, tiles, chain, signer, checkpointMs: 100, ...given },
    ...(records !== undefined && { onStanding: (kept) => inFile.keep(`tlog ${ORIGIN}`, kept) }),
    onContradiction: (said) => inFile.keep(CONTRADICTION, contradictionText(said)),
    onFault: (what, error) => faults.push(`${what}: ${(error as Error).message}`),
  });
  const evidence = evidenceLog(file, signer.verifierKey, keeper);
  return {
    ...{ tiles, chain, evidence, faults },
    async stop() {
      await keeper.stop();
      evidence.close();
      inFile.close();
      tiles.close();
    },
  };
};

/** Keeps evidence logs that are ended after each test, if not before. */
export const keptLogs = () => {
  const kept: KeptLog[] = [];
  const stopAll = async () => {
    for (const one of kept.splice(0)) await one.stop();
  };
  afterEach(stopAll);
  const keep: typeof keepLog = (...args) => {
    const one = keepLog(...args);
    kept.push(one);
    return one;
  };
  return { keep, stopAll };
};

export const freshFile = (): string => join(temporaryFolder(), 'evidence.sqlite');

let streams = 0;
/** Appends so many facts, each to a stream of its own. */
export const record = async (store: EventStore, facts: number): Promise<void> => {
  for (const event of newEvents(facts)) {
    streams += 1;
    await store.append(`note-${streams}`, [event], -1);
  }
};

/** The tree over the first facts of a store, made from nothing but them. */
export const treeOver = async (store: EventStore, size = Number.POSITIVE_INFINITY): Promise<HashAt> => {
  const nodes = new Map<string, Buffer>();
  const tree = growing();
  for (const event of await store.readAll(0, Math.min(size, 1_000_000)))
    tree.append(leafHash(leafOf(event)), (level, index, hash) => nodes.set(`${level}/${index}`, hash));
  return (level, index) => nodes.get(`${level}/${index}`) as Buffer;
};

/** Its root. */
export const rootOver = async (store: EventStore, size: number): Promise<Buffer> => rootAt(size, await treeOver(store, size));

/** What was published, as it stood in the record: each goes on from the one before. */
export const expectOneChain = (written: readonly string[], { tiles }: Pick<KeptLog, 'tiles'>): void => {
  let older = { size: 0, root: EMPTY_ROOT };
  for (const text of written) {
    const newer = parseCheckpoint(partsOfNote(JSON.parse(text).newest.note).text);
    const proof = consistencyProof(older.size, newer.size, tiles.hashAt);
    expect(newer.size).toBeGreaterThan(older.size);
    expect(verifyConsistency({ older: older.size, olderRoot: older.root, size: newer.size, root: newer.root, proof })).toBe(true);
    older = newer;
  }
};

/** Resolves when a checkpoint covers so many facts. */
export const covered = async ({ evidence }: Pick<KeptLog, 'evidence'>, size: number): Promise<void> =>
  until(async () => ((await evidence.checkpoint())?.size ?? 0) >= size);

/** Resolves when the condition holds; the test's own time is the limit. */
export const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
};
