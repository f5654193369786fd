import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { sqliteEventReader } from '../../src/adapters/event-store/sqlite.ts';
import { verifyLog } from '../../src/cli/verify-sources.ts';
import { accountsIn, askForEnrolment, enrol, type Phone } from '../../src/demo/phone.ts';
import { trustingFetch } from '../../src/demo/trusting-fetch.ts';
import { requestIdOf } from '../../src/domain/ciba-request/id.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import { freshEnvironment } from '../support/served.ts';
import { killServer, startServer } from '../support/server-process.ts';

// The short form runs in CI; `npm run campaign:kill-9` sets a longer one.
const KILLS = Number(process.env['KILLS'] ?? 5);
const WORKERS = 8;
const LIVES_MS = [200, 900];

/** What the server has acknowledged of one ceremony. */
interface Journal {
  authReqId: string;
  acknowledged: 'received' | 'approved' | 'redeemed';
  accessToken: string | null;
}

let child: ChildProcess | null = null;
afterAll(() => void child?.kill('SIGKILL'));

describe('kill -9 under load', () => {
  test('loses nothing that was acknowledged and doubles nothing', async () => {
    // What was asked before a kill stays pending: a PSU may have as many as there are.
    const env = await freshEnvironment({ COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '100000' });
    const issuer = `https://localhost:${env['COUNTERSIGN_SERVER_PORT']}`;
    const dataDir = env['COUNTERSIGN_DATA_DIR'] as string;
    child = await startServer(env);
    const fetch = trustingFetch(readFileSync(join(dataDir, 'tls/ca.pem'), 'utf8'));
    const { client, psus } = JSON.parse(readFileSync(join(dataDir, 'sandbox/sandbox.json'), 'utf8'));
    const authorization = `Basic ${Buffer.from(`${client.clientId}:${client.clientSecret}`).toString('base64')}`;
    const phone: Phone = await enrol(fetch, await askForEnrolment(fetch, issuer, psus[0]));

    const post = async (path: string, form: Record<string, string>) => {
      const headers = { authorization, 'content-type': 'application/x-www-form-urlencoded' };
      const response = await fetch(issuer + path, { method: 'POST', headers, body: new URLSearchParams(form).toString() });
      return { status: response.status, body: (await response.json()) as Record<string, string> };
    };
    const poll = (authReqId: string) => post('/oauth2/token', { grant_type: 'urn:openid:params:grant-type:ciba', auth_req_id: authReqId });

    const journal: Journal[] = [];
    const ceremony = async () => {
      const asked = await post('/oauth2/ciba', { scope: 'openid accounts', login_hint: 'alice' });
      expect(asked.status).toBe(200);
      const entry: Journal = { authReqId: asked.body['auth_req_id'] as string, acknowledged: 'received', accessToken: null };
      journal.push(entry);
      const shown = await phone.retrieve(requestIdOf(entry.authReqId, systemIds));
      await phone.send(shown.request_id, await phone.sign(shown, 'approved', accountsIn(shown)));
      entry.acknowledged = 'approved';
      const { status, body } = await poll(entry.authReqId);
      expect(status).toBe(200);
      Object.assign(entry, { acknowledged: 'redeemed', accessToken: body['access_token'] });
    };
    /** One ceremony after another until the server is gone. */
    const work = async (running: { killed: boolean }) => {
      while (!running.killed)
        try {
          await ceremony();
        } catch (error) {
          if (!running.killed) throw error;
        }
    };

    for (let round = 0; round < KILLS; round += 1) {
      const running = { killed: false };
      const workers = Array.from({ length: WORKERS }, () => work(running));
      const [least = 0, most = 0] = LIVES_MS;
      await Promise.race([new Promise((resolve) => setTimeout(resolve, least + Math.random() * (most - least))), Promise.all(workers)]);
      running.killed = true;
      await killServer(child);
      await Promise.all(workers);
      child = await startServer(env);

      // What was acknowledged as approved and has no tokens gets them now, unless the answer with the tokens was lost on its way.
      for (const entry of journal.filter(({ acknowledged }) => acknowledged === 'approved')) {
        let outcome = await poll(entry.authReqId);
        while (outcome.body['error'] === 'authorization_pending') outcome = await poll(entry.authReqId);
        expect([200, 400]).toContain(outcome.status);
        if (outcome.status === 400) expect(outcome.body['error']).toBe('invalid_grant');
        Object.assign(entry, { acknowledged: 'redeemed', accessToken: outcome.body['access_token'] ?? null });
      }
    }

    for (const { accessToken } of journal)
      if (accessToken !== null) expect((await post('/oauth2/introspect', { token: accessToken })).body['active']).toBe(true);
    await killServer(child);
    checkLog(await readLog(dataDir), journal);
    const keys = join(dataDir, 'keys');
    const trust = { key: null, witnesses: [], quorum: 0, kept: [] };
    const { report } = await verifyLog(join(dataDir, 'log.sqlite'), trust, keys, { progress() {}, fact() {} });
    expect(report).toMatchObject({ doubts: [], sealed: { sealed: 0, erased: 0 } });
    expect([report.signatures > KILLS, report.checkpoints.length > 0]).toEqual([true, true]);
    expect(journal.filter(({ accessToken }) => accessToken !== null).length).toBeGreaterThan(KILLS);
  }, 300_000);
});

const readLog = async (dataDir: string): Promise<readonly StoredEvent[]> => {
  const log = sqliteEventReader(join(dataDir, 'log.sqlite'));
  const events = await log.readAll(0, 10_000_000);
  await log.close();
  return events;
};

const checkLog = (log: readonly StoredEvent[], journal: readonly Journal[]) => {
  expect(log.map(({ position }) => position)).toEqual(log.map((_, index) => index + 1));
  expect(new Set(log.map(({ id }) => id)).size).toBe(log.length);
  const typesOf = new Map<string, string[]>();
  for (const { stream, revision, type } of log) {
    const types = typesOf.get(stream) ?? [];
    expect(revision).toBe(types.length);
    typesOf.set(stream, [...types, type]);
  }
  for (const { authReqId, acknowledged } of journal) {
    const requestId = requestIdOf(authReqId, systemIds);
    const request = typesOf.get(`cibaRequest-${requestId}`) ?? [];
    expect(request[0]).toBe('CibaRequestReceived');
    expect(new Set(request).size).toBe(request.length);
    if (acknowledged === 'received') continue;
    expect(request).toEqual(['CibaRequestReceived', 'ConsentRetrieved', 'CibaRequestApproved', 'CibaRequestRedeemed']);
    expect(typesOf.get(`consent-${requestId}`)).toEqual(['ConsentLodged', 'ConsentAuthorised']);
    expect(typesOf.get(`grant-${requestId}`)).toEqual(['GrantOpened', 'AccessTokenIssued', 'RefreshTokenIssued']);
  }
};
