import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { registerClient } from '../../src/cli/client.ts';
import { loadConfig } from '../../src/config.ts';
import { type Form, nodesOver } from '../support/nodes.ts';
import { temporaryFolder } from '../support/served.ts';

test('what a node read from a store of one kind says nothing of one of the other kind', async () => {
  const nodes = await nodesOver();
  try {
    const inCluster = await nodes.environment();
    const inFile = { ...inCluster, COUNTERSIGN_STORE_KIND: 'sqlite' };
    const file = join(temporaryFolder(), 'client.json');
    const metadata = { client_name: 'A TPP', profile: 'plain', token_endpoint_auth_method: 'client_secret_post' };
    writeFileSync(file, JSON.stringify({ ...metadata, tls_client_certificate_bound_access_tokens: false }));
    const lines: string[] = [];
    await registerClient(loadConfig({ env: inFile, cwd: tmpdir() }).config, file, (line) => lines.push(line));
    const [client_id = '', client_secret = ''] = lines.map((line) => line.split(' ')[1]);
    const ofCluster = await nodes.client();

    const introspected = async (env: Form, tpp: Form) => {
      const node = await nodes.serve({ env });
      const { status } = await node.post('/oauth2/introspect', { ...tpp, token: 'x' });
      await node.close();
      return status;
    };
    const ofFile = { client_id, client_secret };
    const seen = [];
    for (const env of [inFile, inCluster, inFile]) seen.push([await introspected(env, ofFile), await introspected(env, ofCluster)]);
    const [inOne, inOther] = [
      [200, 401],
      [401, 200],
    ];
    expect(seen).toEqual([inOne, inOther, inOne]);
  } finally {
    await nodes.close();
  }
});
