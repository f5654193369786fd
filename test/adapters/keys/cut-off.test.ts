import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { temporaryFolder } from '../../support/served.ts';

const MAKERS = {
  'a master key': ['keys/master-key.ts', `masterKey(file, { create: true })`],
  'the key of an evidence log': ['evidence/log-key.ts', `logKeyIn(file, Buffer.alloc(32, 1))`],
  'the key of a witness': ['evidence/note-key-file.ts', `noteKeyFile(file, { name: 'w.example', type: 4 })`],
};

/** Makes it in a process of its own, which may be one that can open files and not write into them. */
const make = ([module, call]: readonly [string, string], file: string, cutOff: boolean) => {
  const [name] = call.split('(');
  const script = `const { ${name} } = await import(process.argv[1]); const file = process.argv[2]; ${call};`;
  const node = `exec '${process.execPath}' --input-type=module -e "$0" "$@"`;
  const given = [join(import.meta.dirname, '../../../src/adapters', module), file];
  return spawnSync('sh', ['-c', cutOff ? `ulimit -c 0; ulimit -f 0; ${node}` : node, script, ...given], { encoding: 'utf8' });
};

test.each(Object.entries(MAKERS))('%s whose making was cut off is made at the next start', (_, maker) => {
  const dir = join(temporaryFolder(), 'keys');
  mkdirSync(dir);
  const file = join(dir, 'a.key');
  expect(make(maker as [string, string], file, true).status).not.toBe(0);
  expect(existsSync(file)).toBe(false);
  for (let time = 0; time < 2; time += 1) expect(make(maker as [string, string], file, false)).toMatchObject({ status: 0 });
  expect(readdirSync(dir)).toContain('a.key');
});
