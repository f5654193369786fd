import { writeSync } from 'node:fs';
import { psuKeys } from '../../../src/adapters/keys/psu-keys.ts';

// Seals one text for a new PSU, prints it, and waits to be killed.
const [file = '', master = ''] = process.argv.slice(2);
writeSync(
  1,
  `${JSON.stringify(psuKeys(file, Buffer.from(master, 'hex')).seal({ psuId: 'psu-1', retention: 'request', at: 1_700_000_000 }, 'a secret', 'a place'))}\n`,
);
setInterval(() => undefined, 60_000);
