import { writeSync } from 'node:fs';
import { psuKeys } from '../../../src/adapters/keys/psu-keys.ts';

// Waits for the given moment, which others wait for too, then seals one text for each of many new PSUs, and prints them.
const PSUS = 100;
const [file = '', master = '', moment = ''] = process.argv.slice(2);
const keys = psuKeys(file, Buffer.from(master, 'hex'));
while (Date.now() < Number(moment));
const texts = Array.from({ length: PSUS }, (_, n) =>
  keys.seal({ psuId: `psu-${n}`, retention: 'request', at: 1_700_000_000 }, 'a secret', 'a place'),
);
writeSync(1, `${JSON.stringify(texts)}\n`);
