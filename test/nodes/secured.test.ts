import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { systemClock } from '../../src/adapters/clock.ts';
import { issueServerCertificate, makeAuthority } from '../../src/adapters/tls/certificates.ts';
import { type KurrentdbCluster, kurrentdbCluster } from '../support/kurrentdb-server/cluster.ts';
import { settingsFor } from '../support/kurrentdb-server/settings.ts';
import { answer, ask, inTurn, type Nodes, nodesIn, pollOf } from '../support/nodes.ts';
import { temporaryFolder } from '../support/served.ts';

const user = { username: 'engine', password: `p:${randomUUID()}@/ü` };

let cluster: KurrentdbCluster;
let nodes: Omit<Nodes, 'cluster'>;
beforeAll(async () => {
  const [now, folder] = [systemClock(), temporaryFolder()];
  const validity = { notBefore: now - 3600, notAfter: now + 3600 };
  const fileWith = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const authority = await makeAuthority('Cluster CA', validity);
  cluster = await kurrentdbCluster({
    ...{ nodes: 3, user },
    tls: await issueServerCertificate(authority, [{ type: 'ip', value: '127.0.0.1' }], validity),
  });
  nodes = await nodesIn(settingsFor(cluster.connectionString, { ca: Buffer.from(authority.certificate), credentials: user }), {
    COUNTERSIGN_STORE_KURRENTDB_DEADLINE_MS: '5000',
    COUNTERSIGN_STORE_KURRENTDB_CA_FILE: fileWith('ca.pem', authority.certificate),
    COUNTERSIGN_STORE_KURRENTDB_USERNAME: user.username,
    COUNTERSIGN_STORE_KURRENTDB_PASSWORD_FILE: fileWith('password', user.password),
  });
});
afterAll(async () => {
  await nodes.close();
  cluster.stop();
});

test('over a cluster with TLS, whose authority and password its nodes have from their settings, a ceremony goes from node to node', async () => {
  const both = await Promise.all([nodes.serve(), nodes.serve()]);
  const turn = inTurn(nodes, both);
  const tpp = await nodes.client();
  const { authReqId, requestId } = await ask(turn, tpp);
  await answer(await nodes.phone(turn.fetch), requestId);
  const { status, body } = await turn.post('/oauth2/token', pollOf(tpp, authReqId));
  expect(status).toBe(200);
  for (const node of both) expect((await node.post('/oauth2/introspect', { ...tpp, token: body.access_token })).body.active).toBe(true);
  expect(both.map(({ faults }) => faults)).toEqual([[], []]);
});
