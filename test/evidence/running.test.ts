import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { verifyLog } from '../../src/cli/verify-sources.ts';
import { accountsIn, askForEnrolment, enrol } from '../../src/demo/phone.ts';
import { trustingFetch } from '../../src/demo/trusting-fetch.ts';
import { requestIdOf } from '../../src/domain/ciba-request/id.ts';
import { closingAfter } from '../../src/domain/closing.ts';
import { freshEnvironment, temporaryFolder } from '../support/served.ts';
import { killServer, startServer } from '../support/server-process.ts';
import { NO_TRUST } from './bundles.ts';
import { LOG_SIGNER, logInFile } from './log-files.ts';

const VERIFICATIONS = 3;
const WORKERS = 4;

describe('a log of an engine that runs', () => {
  let env: Record<string, string>;
  let stop: () => Promise<void>;
  beforeAll(async () => {
    env = await freshEnvironment({
      COUNTERSIGN_EVIDENCE_CHECKPOINT_MS: '100',
      COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000',
    });
    const server = await startServer(env);
    stop = () => killServer(server);
  });
  afterAll(() => stop());

  test(`is verified ${VERIFICATIONS} times while it serves ceremonies without a pause`, async () => {
    const dataDir = env['COUNTERSIGN_DATA_DIR'] as string;
    const issuer = `https://localhost:${env['COUNTERSIGN_SERVER_PORT']}`;
    const fetch = trustingFetch(readFileSync(join(dataDir, 'tls/ca.pem'), 'utf8'));
    const { client, psus } = JSON.parse(readFileSync(join(dataDir, 'sandbox/sandbox.json'), 'utf8'));
    const phone = await enrol(fetch, await askForEnrolment(fetch, issuer, psus[0]));
    const headers = {
      authorization: `Basic ${Buffer.from(`${client.clientId}:${client.clientSecret}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    };
    const post = async (path: string, form: Record<string, string>) => {
      const response = await fetch(issuer + path, { method: 'POST', headers, body: new URLSearchParams(form).toString() });
      expect(response.status).toBe(200);
      return (await response.json()) as Record<string, string>;
    };

    let isVerifying = true;
    let ceremonies = 0;
    const work = async () => {
      while (isVerifying) {
        const { auth_req_id: authReqId = '' } = await post('/oauth2/ciba', { scope: 'openid accounts', login_hint: 'alice' });
        const shown = await phone.retrieve(requestIdOf(authReqId, systemIds));
        await phone.send(shown.request_id, await phone.sign(shown, 'approved', accountsIn(shown)));
        await post('/oauth2/token', { grant_type: 'urn:openid:params:grant-type:ciba', auth_req_id: authReqId });
        ceremonies += 1;
      }
    };
    const working = Promise.all(Array.from({ length: WORKERS }, work));
    const verified = async () => {
      for (let time = 0, facts = 0; time < VERIFICATIONS; ) {
        const before = ceremonies;
        const { report } = await verifyLog(join(dataDir, 'log.sqlite'), NO_TRUST, join(dataDir, 'keys'), { progress() {}, fact() {} });
        expect(report).toMatchObject({ doubts: [], sealed: { sealed: 0, erased: 0 }, checkpoints: [{ from: 'the log' }] });
        expect(report.facts).toBeGreaterThanOrEqual(facts);
        facts = report.facts;
        // The next one when more of them have come.
        while (ceremonies < before + WORKERS) await Promise.race([working, new Promise((resolve) => setImmediate(resolve))]);
        time += 1;
      }
    };
    await verified().finally(() => {
      isVerifying = false;
    });
    await working;
  }, 60_000);

  test('is verified while streams go to the archive', async () => {
    const { dataDir, file, history, note } = await logInFile(temporaryFolder(), 60, { evidence: false, stories: 200 });
    const store = sqliteEventStore(file);
    const closing = closingAfter({ requestDays: 0, deliveryDays: 0, grantDays: 0 });
    let moved = 0;
    // Steps of it come between the pages that are read, and behind the first one everything.
    const archive = (index: number) => {
      if (index % 100 === 0 && store.archiveSome(closing, 2_000_000_000)) moved += 1;
    };
    const trust = { ...NO_TRUST, key: LOG_SIGNER.verifierKey.text, kept: [{ note, from: 'kept' }] };
    for (let time = 0; time < 2; time += 1) {
      const { report } = await verifyLog(file, trust, join(dataDir, 'keys'), { progress() {}, fact: archive });
      expect(report).toMatchObject({ doubts: [], facts: history.events.length, uncovered: 0 });
    }
    expect(moved).toBeGreaterThan(5);
    await store.close();
  });
});
