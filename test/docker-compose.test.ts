import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { settings } from '../src/config.ts';

const read = (file: string) => readFileSync(join(import.meta.dirname, '..', file), 'utf8');

test('docker-compose.yml gives the engine settings that exist, and the ports that it listens on', () => {
  const compose = read('docker-compose.yml');
  const variables = [...compose.matchAll(/(COUNTERSIGN_\w+):/g)].map(([, name]) => name);
  expect(variables).not.toEqual([]);
  for (const variable of variables) expect(settings.map((setting) => setting.variable)).toContain(variable);
  for (const name of ['server.port', 'server.mtls_port']) {
    const port = settings.find((setting) => setting.name === name)?.preset;
    expect(compose).toContain(`"${port}:${port}"`);
    expect(read('Dockerfile')).toMatch(new RegExp(`^EXPOSE .*\\b${port}\\b`, 'm'));
  }
});
