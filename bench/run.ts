// npm run bench [-- --rounds 5 --seconds 3 --connections 32 --only ceremony --quick]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { evidence } from './evidence.ts';
import { growth, startUp } from './growth-rows.ts';
import type { How, Measurement } from './measure.ts';
import { memory } from './memory-rows.ts';
import { measureRates } from './rate-rows.ts';
import { readYourWrites } from './read-your-writes.ts';
import { replay } from './replay-rows.ts';
import { conditions, writeResults } from './results-file.ts';
import { eventStores } from './store-rows.ts';
import { verify } from './verify-rows.ts';
import { workers } from './workers.ts';

const { values: given } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '32' },
    only: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
  },
});

const MEASUREMENTS: readonly Measurement[] = [memory, replay, startUp, growth, eventStores, readYourWrites, workers, evidence, verify];

const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true }));

const { quick } = given;
const how: How = {
  folder,
  rounds: quick ? 1 : Number(given.rounds),
  seconds: quick ? 1 : Number(given.seconds),
  warmUpSeconds: quick ? 1 : 4,
  connections: Number(given.connections),
  quick,
};
const isWanted = (name: string): boolean => name.toLowerCase().includes(given.only.toLowerCase());

const where = conditions(folder);
const measured = [await measureRates(how, isWanted)];
for (const { name, run } of MEASUREMENTS) if (isWanted(name)) measured.push(await run(how));

const command = ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' ');
const report = `\`${command}\`: ${where}.\n\n${measured.filter((part) => part !== '').join('\n\n')}`;
console.log(report);
// A few of the rows, or a quick look at them, is not a result to keep.
if (!quick && given.only === '') writeResults(join(import.meta.dirname, 'RESULTS.md'), report);
