import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ConfigError } from '../../src/config.ts';
import { trustingFetch } from '../../src/demo/trusting-fetch.ts';
import { browser, signIn } from '../support/browser.ts';
import { served, temporaryFolder } from '../support/served.ts';

const folder = temporaryFolder();
const write = (name: string, text: string): string => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
};

const directory = createServer(async (req, res) => {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  const { username, password } = JSON.parse(Buffer.concat(chunks).toString());
  const knows = req.url === '/psus/authenticate' && req.headers.authorization === 'Bearer bank' && username === password;
  res.writeHead(knows ? 200 : 404).end(JSON.stringify({ psu_id: `psu-${username}` }));
});
beforeAll(() => new Promise<void>((resolve) => directory.listen(0, '127.0.0.1', resolve)));
afterAll(() => {
  directory.closeAllConnections();
  return new Promise((resolve) => directory.close(resolve));
});

describe('an engine that is served with services of the bank’s own', () => {
  test('asks the directory, and takes the script', async () => {
    const { serving, config } = await served({
      COUNTERSIGN_PSU_DIRECTORY_URL: `http://127.0.0.1:${(directory.address() as AddressInfo).port}/psus/`,
      COUNTERSIGN_PSU_DIRECTORY_SECRET_FILE: write('token', 'bank\n'),
      COUNTERSIGN_AUTHENTICATION_SCRIPT: write('script.mjs', 'export const onLoginRequest = ({ steps }) => steps;'),
    });
    try {
      const at = browser(config.issuer, trustingFetch(readFileSync(serving.caFile ?? '', 'utf8')));
      const page = await at.get('/oauth2/ciba/answer');
      expect((await signIn(at, page, 'carol', 'wrong')).status).toBe(400);
      expect((await signIn(at, page, 'carol')).heading).toBe('What waits for your answer');
    } finally {
      await serving.close();
    }
  });

  test('does not start with a script that is not there', async () => {
    await expect(served({ COUNTERSIGN_AUTHENTICATION_SCRIPT: join(folder, 'nowhere.mjs') })).rejects.toThrow(ConfigError);
  });
});
