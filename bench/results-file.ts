import { closeSync, existsSync, fdatasyncSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { count, median } from './figures.ts';
import { CAN_PIN } from './measure.ts';

const BEGIN = '<!-- measured:begin -->';
const END = '<!-- measured:end -->';
const SYNCS = 50;

/** Replaces what stands between the markers; what is written around them stays. */
export const writeResults = (file: string, text: string): void => {
  const before = existsSync(file) ? readFileSync(file, 'utf8') : `# Results\n\n${BEGIN}\n${END}\n`;
  const [begin, end] = [before.indexOf(BEGIN), before.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error(`${file} has lost its markers`);
  writeFileSync(file, `${before.slice(0, begin + BEGIN.length)}\n${text}\n${before.slice(end)}`);
};

/** Where it is measured, asked before it starts. `folder` is on the disk that the durable stores write to. */
export const conditions = (folder: string): string =>
  [
    new Date().toISOString().slice(0, 10),
    `${cpus()[0]?.model ?? 'unknown CPU'}, ${availableParallelism()} cores, ${process.platform} ${release()}, Node ${process.version}`,
    `a write with fdatasync takes ${count(syncMicros(folder))} µs`,
    `load average before the start ${(loadavg()[0] ?? 0).toFixed(1)}`,
    CAN_PIN ? 'server and load on a core each' : 'server and load not pinned to cores',
  ].join('; ');

/** Told beside the results, because what a durable store reaches depends on the disk. */
const syncMicros = (folder: string): number => {
  const block = Buffer.alloc(4096);
  const file = openSync(join(folder, 'sync'), 'w');
  const micros = Array.from({ length: SYNCS }, () => {
    const begin = performance.now();
    writeSync(file, block);
    fdatasyncSync(file);
    return (performance.now() - begin) * 1000;
  });
  closeSync(file);
  return median(micros);
};
