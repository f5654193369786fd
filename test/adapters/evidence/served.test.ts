import { generateKeyPairSync } from 'node:crypto';
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { sqliteEventReader } from '../../../src/adapters/event-store/sqlite.ts';
import { EvidenceDiffers } from '../../../src/adapters/evidence/evidence-differs.ts';
import { type Witnessing, witness } from '../../../src/cli/witness.ts';
import { type Config, ConfigError, loadConfig } from '../../../src/config.ts';
import type { Fetch } from '../../../src/demo/phone.ts';
import { trustingFetch } from '../../../src/demo/trusting-fetch.ts';
import { openCheckpoint } from '../../../src/evidence/checkpoint.ts';
import { logSigner, parseVerifierKey } from '../../../src/evidence/note-key.ts';
import { type Serving, serve } from '../../../src/serve.ts';
import { freshEnvironment, temporaryFolder } from '../../support/served.ts';
import { rootOver, until } from './keeping.ts';

type Form = Record<string, string>;

const closers: (() => Promise<void>)[] = [];
const closeAll = async () => {
  for (const close of closers.splice(0).reverse()) await close();
};
afterEach(closeAll);

interface Node {
  config: Config;
  serving: Serving;
  fetch: Fetch;
  /** What it says, or null where there is nothing. */
  text(path: string): Promise<string | null>;
  /** What it took for a fault. */
  faults: readonly string[];
}

const start = async (env: Form, text = ''): Promise<Node> => {
  const { config } = loadConfig({ env, text, cwd: tmpdir() });
  const faults: string[] = [];
  const log = pino({ level: 'error' }, { write: (line) => void faults.push(JSON.parse(line).what) });
  const serving = await serve(config, { say: () => undefined, log });
  closers.push(serving.close);
  const fetch = trustingFetch(readFileSync(serving.caFile as string, 'utf8'));
  const textOf = async (path: string) => {
    const response = await fetch(config.issuer + path);
    const body = await response.text();
    return response.status === 200 ? body : null;
  };
  return { config, serving, fetch, text: textOf, faults };
};

const keyOf = async ({ text }: Node) => parseVerifierKey(((await text('/tlog/key')) as string).trim());
const checkpointOf = async (node: Node, path = '/tlog/checkpoint/newest') => {
  const note = await node.text(path);
  return note === null ? null : openCheckpoint(note, { log: await keyOf(node) });
};

/** Resolves with the facts of the log when a checkpoint covers all of them. */
const coveredLog = async (node: Node): Promise<number> => {
  const log = sqliteEventReader(join(node.config.dataDir, 'log.sqlite'));
  try {
    await until(async () => (await checkpointOf(node))?.size === (await log.head()));
    const { size = 0, root } = (await checkpointOf(node)) ?? {};
    expect(root).toEqual(await rootOver(log, size));
    return size;
  } finally {
    await log.close();
  }
};

const rotate = ({ serving }: Node) => serving.engine.rotateSigningKeys({ kind: 'operator', id: 'test' });

describe('an engine', () => {
  test('keeps the evidence log of its issuer, also over a restart, with one key', async () => {
    const env = await freshEnvironment();
    const first = await start(env);
    const size = await coveredLog(first);
    const key = await first.text('/tlog/key');
    expect(key).toMatch(/^localhost:\d+\/consents\+[0-9a-f]{8}\+/);
    await closeAll();
    const second = await start(env);
    expect(await second.text('/tlog/key')).toBe(key);
    await rotate(second);
    expect(await coveredLog(second)).toBeGreaterThan(size);
    expect(second.faults).toEqual([]);
  }, 30_000);

  test('refuses an older log than the one that it has published, and begins another evidence log when it is told to', async () => {
    const env = await freshEnvironment();
    const older = join(temporaryFolder(), 'log.sqlite');
    const log = join(env['COUNTERSIGN_DATA_DIR'] as string, 'log.sqlite');
    await coveredLog(await start(env));
    await closeAll();
    cpSync(log, older);
    const node = await start(env);
    await rotate(node);
    await coveredLog(node);
    await closeAll();
    cpSync(older, log);
    await expect(start(env)).rejects.toThrow(EvidenceDiffers);
    await expect(start(env)).rejects.toThrow(/^the log ends at position \d+, and the published checkpoint covers it up to position \d+\. /);
    await coveredLog(await start({ ...env, COUNTERSIGN_EVIDENCE_ORIGIN: 'bank.example/consents/2' }));
  }, 30_000);

  test('refuses to begin again when what it has published is gone: that would be two histories by one key', async () => {
    const env = await freshEnvironment();
    const dataDir = env['COUNTERSIGN_DATA_DIR'] as string;
    const first = await start(env);
    await coveredLog(first);
    const key = await first.text('/tlog/key');
    await closeAll();
    for (const suffix of ['', '-wal', '-shm']) rmSync(join(dataDir, `evidence.sqlite${suffix}`), { force: true });
    for (let time = 0; time < 2; time += 1)
      await expect(start(env)).rejects.toThrow(/^the evidence log is gone: .*evidence\.sqlite.*remove .*evidence\.key/);
    const without = await start({ ...env, COUNTERSIGN_EVIDENCE_ENABLED: 'false' });
    expect(await without.text('/tlog/key')).toBeNull();
    await closeAll();
    rmSync(join(dataDir, 'keys', 'evidence.key'));
    const second = await start({ ...env, COUNTERSIGN_EVIDENCE_ORIGIN: 'bank.example/consents/2' });
    await coveredLog(second);
    expect(await second.text('/tlog/key')).not.toBe(key);
  }, 30_000);

  test('begins with the log of a data directory that had none, also when its start was cut off behind the making of the key', async () => {
    const env = await freshEnvironment({ COUNTERSIGN_EVIDENCE_ENABLED: 'false' });
    await start(env);
    await closeAll();
    const kept = { ...env, COUNTERSIGN_EVIDENCE_ENABLED: 'true' };
    await coveredLog(await start(kept));
    await closeAll();
    const file = new DatabaseSync(join(env['COUNTERSIGN_DATA_DIR'] as string, 'evidence.sqlite'));
    file.exec('delete from record; delete from tile; delete from place; update tree set size = 0, position = 0');
    file.close();
    await coveredLog(await start(kept));
  }, 30_000);

  test('keeps none where the settings say so', async () => {
    const node = await start(await freshEnvironment({ COUNTERSIGN_EVIDENCE_ENABLED: 'false' }));
    expect([await node.text('/tlog/checkpoint'), await node.text('/tlog/key')]).toEqual([null, null]);
  }, 30_000);
});

describe('witnesses', () => {
  const witnessOf = async (name: string, log: string, directory = temporaryFolder(), port = 0): Promise<Witnessing> => {
    const started = await witness({ directory, name, logs: [log], host: '127.0.0.1', port });
    closers.push(started.close);
    return started;
  };
  const settings = (witnesses: readonly { url: string; verifierKey: string }[], more = '') =>
    `[evidence]\n${more}\n${witnesses.map(({ url, verifierKey }) => `[[evidence.witnesses]]\nurl = "${url}"\nkey = "${verifierKey}"`).join('\n')}`;

  test('are refused in the settings by a key of another kind', async () => {
    const { verifierKey } = logSigner('w1.example', generateKeyPairSync('ed25519').privateKey);
    const given = settings([{ url: 'http://127.0.0.1:1', verifierKey: verifierKey.text }]);
    const refused = start(await freshEnvironment(), given);
    await expect(refused).rejects.toThrow(ConfigError);
    await expect(refused).rejects.toThrow("evidence.witnesses: a key of type 4 is expected: a witness's");
  });

  test('cosign what is published: both of two, while a third is away', async () => {
    const env = await freshEnvironment();
    const alone = await start(env);
    await coveredLog(alone);
    const log = ((await alone.text('/tlog/key')) as string).trim();
    await closeAll();
    const three = [await witnessOf('w1.example', log), await witnessOf('w2.example', log), await witnessOf('w3.example', log)];
    await (closers.pop() as () => Promise<void>)();
    const node = await start(env, settings(three, 'quorum = 2'));
    const keys = three.slice(0, 2).map(({ verifierKey }) => parseVerifierKey(verifierKey));
    const trust = { log: await keyOf(node), witnesses: keys };
    const cosigned = async () => openCheckpoint((await node.text('/tlog/checkpoint')) as string, trust);
    await until(async () => (await cosigned()).cosignatures.length === 2);
    await rotate(node);
    await coveredLog(node);
    expect((await cosigned()).cosignatures.map(({ name }) => name).toSorted()).toEqual(['w1.example', 'w2.example']);
    expect(openCheckpoint((await node.text('/tlog/checkpoint/newest')) as string, trust).cosignatures).toEqual([]);
    expect(new Set(node.faults)).toEqual(new Set(['witness w3.example']));
  }, 60_000);

  test('that are too few leave the newest checkpoint as it is', async () => {
    const env = await freshEnvironment();
    const alone = await start(env);
    await coveredLog(alone);
    const log = ((await alone.text('/tlog/key')) as string).trim();
    await closeAll();
    const two = [await witnessOf('w1.example', log), await witnessOf('w2.example', log)];
    await (closers.pop() as () => Promise<void>)();
    const node = await start(env, settings(two));
    await until(() => node.faults.length > 0);
    expect(await node.text('/tlog/checkpoint')).toBe(await node.text('/tlog/checkpoint/newest'));
    expect((await node.fetch(`${node.config.issuer}/readyz`)).status).toBe(200);
  }, 60_000);

  test('have a key that can be read, and are as many as are wanted', async () => {
    const env = await freshEnvironment();
    const none = { url: 'http://127.0.0.1:1', verifierKey: 'w.example+00000000+BAAA' };
    await expect(start(env, settings([none]))).rejects.toThrow(ConfigError);
    await expect(start(env, settings([none], 'quorum = 2'))).rejects.toThrow(
      'evidence.quorum: expected at most as many as there are evidence.witnesses',
    );
  }, 30_000);
});
