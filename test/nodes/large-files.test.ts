import { createHash, randomUUID } from 'node:crypto';
import { afterEach, expect, test } from '@jest/globals';
import { kurrentdbEventStore } from '../../src/adapters/event-store/kurrentdb.ts';
import { families } from '../../src/domain/catalogue.ts';
import { MAX_FILE_BYTES } from '../../src/domain/consent/decider.ts';
import { AppendTooLarge } from '../../src/domain/ports/event-store.ts';
import { testEngine } from '../support/engine.ts';
import { kurrentdbCluster } from '../support/kurrentdb-server/cluster.ts';
import { settingsFor } from '../support/kurrentdb-server/settings.ts';
import { filePayment } from '../wso2/support/intents.ts';
import { type IntentBody, intentsAt, referenceTpp } from '../wso2/support/tpp.ts';

const opened: { stop(): void }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.stop();
});

/** Uploads the largest file of payments that we take; what is answered to that, and to reading it. */
const uploadedTo = async (maxAppendSize?: number) => {
  const cluster = await kurrentdbCluster({ ...(maxAppendSize !== undefined && { maxAppendSize }) });
  opened.push(cluster);
  const categories = families.map(({ category }) => category);
  const tested = await testEngine({
    store: kurrentdbEventStore(settingsFor(cluster.connectionString, { categories, deadlineMs: 10_000 })),
  });
  const intents = await intentsAt(tested, await referenceTpp(tested), 'pisp/file-payment-consents', 'payments');
  const file = 'x'.repeat(MAX_FILE_BYTES);
  const request = filePayment(createHash('sha256').update(file).digest('base64'));
  const { Data } = (await (await intents.post(request, { 'x-idempotency-key': randomUUID() })).json()) as IntentBody;
  const upload = await intents.call('POST', `${Data.ConsentId}/file`, file, { 'content-type': 'text/plain' });
  const read = await intents.call('GET', `${Data.ConsentId}/file`);
  const told = { upload: [upload.status, await upload.text()], read: [read.status, (await read.text()).length] };
  const faults = [...tested.faults];
  await tested.close().catch(() => undefined);
  return { ...told, faults };
};

test('the largest file of payments is kept in a cluster that is set up as docker-compose.yml does', async () => {
  expect(await uploadedTo(4 * MAX_FILE_BYTES)).toEqual({ upload: [200, ''], read: [200, MAX_FILE_BYTES], faults: [] });
});

test('a cluster that takes less at once refuses it in the words of the API, and who runs the node is told', async () => {
  const { upload, read, faults } = await uploadedTo();
  expect(upload[0]).toBe(413);
  expect(JSON.parse(String(upload[1]))).toMatchObject({ Code: '413 content_too_large', Errors: [{ ErrorCode: expect.any(String) }] });
  expect(read[0]).toBe(400);
  expect(faults).toEqual([expect.any(AppendTooLarge)]);
});
