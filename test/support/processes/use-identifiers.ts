import { writeSync } from 'node:fs';
import { sqliteReplayGuard } from '../../../src/adapters/replay-guard.ts';

// Uses one identifier after the other, prints each that it was the first to use, and goes on until it is killed.
const [file = ''] = process.argv.slice(2);
const guard = sqliteReplayGuard(file, () => 0);
for (let n = 0; ; n += 1) if (await guard.firstUse(`jti-${n}`, 10_000)) writeSync(1, `${JSON.stringify(`jti-${n}`)}\n`);
