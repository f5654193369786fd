// Verifies a log of ceremonies with real signatures. What run.ts asks of it: `prepare` makes the log, `verify` verifies it once.
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { psuKeys } from '../src/adapters/keys/psu-keys.ts';
import { verifyLog } from '../src/cli/verify-sources.ts';
import { checkpointText } from '../src/evidence/checkpoint.ts';
import { leafHash, leafOf } from '../src/evidence/leaf.ts';
import { signNote } from '../src/evidence/note.ts';
import { logSigner } from '../src/evidence/note-key.ts';
import { growing } from '../src/evidence/tree.ts';
import { answerRunner } from './measure.ts';
import { writeSignedLog } from './signed-log.ts';

const { values: given } = parseArgs({ options: { data: { type: 'string', default: '.' }, quick: { type: 'boolean', default: false } } });
// Ten facts each.
const CEREMONIES = given.quick ? 2_000 : 100_000;
const PSUS = given.quick ? 100 : 10_000;
const file = join(given.data, 'log.sqlite');
const keys = join(given.data, 'keys');
const master = Buffer.alloc(32, 1);
const signer = logSigner('bench.example/consents', generateKeyPairSync('ed25519').privateKey);
let checkpoint = '';

const prepare = async (): Promise<{ facts: number }> => {
  mkdirSync(keys, { recursive: true });
  writeFileSync(join(keys, 'master.key'), master.toString('base64url'));
  const sealer = psuKeys(join(keys, 'psu-keys.sqlite'), master);
  const tree = growing();
  const facts = await writeSignedLog(file, sealer, { count: CEREMONIES, psus: PSUS }, (event) => tree.append(leafHash(leafOf(event))));
  sealer.close();
  checkpoint = signNote(checkpointText({ origin: signer.verifierKey.name, size: tree.size, root: tree.root() }), [signer]);
  return { facts };
};

/** Seconds for all of it, against a checkpoint from outside; with the keys every sealed part is opened, and every signature verified. */
const verify = async ({ opened }: { opened: boolean }): Promise<number> => {
  const trust = { key: signer.verifierKey.text, witnesses: [], quorum: 0, kept: [{ note: checkpoint, from: 'outside' }] };
  const start = performance.now();
  const { report } = await verifyLog(file, trust, opened ? keys : null, { progress() {}, fact() {} });
  const seconds = (performance.now() - start) / 1000;
  if (report.verdict !== 'no doubt' || report.signatures !== (opened ? CEREMONIES : 0))
    throw new Error(`the log was not found good: ${JSON.stringify(report.doubts[0])}`);
  return seconds;
};

answerRunner({ prepare, verify });
console.log('ready');
