import { writeSync } from 'node:fs';
import { localLimits } from '../../../src/adapters/limits/local.ts';

// Uses one identifier after the other, prints each that it was the first to use, and goes on until it is killed.
const [file = ''] = process.argv.slice(2);
const limits = localLimits(file, { clock: () => 0 });
for (let n = 0; ; n += 1) if (await limits.firstUse(`jti-${n}`, 10_000)) writeSync(1, `${JSON.stringify(`jti-${n}`)}\n`);
