import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { afterAll, describe, expect, test } from '@jest/globals';
import { NoCosignature, witnessClient } from '../../../src/adapters/evidence/witness-client.ts';
import type { Told } from '../../../src/adapters/evidence/witness-server.ts';
import { ownService } from '../../../src/adapters/outbound/own-service.ts';
import { type Witnessing, witness } from '../../../src/cli/witness.ts';
import { openCheckpoint } from '../../../src/evidence/checkpoint.ts';
import { withLines } from '../../../src/evidence/note.ts';
import { parseVerifierKey } from '../../../src/evidence/note-key.ts';
import { addCheckpointText } from '../../../src/evidence/witness.ts';
import { smallLog } from '../../evidence/support.ts';
import { temporaryFolder } from '../../support/served.ts';

const ORIGIN = 'bank.example/consents';
const open: { close(): unknown }[] = [];
afterAll(async () => {
  for (const one of open) await one.close();
});

/** A log of 100 leaves and a new witness that knows it. */
const meeting = async ({ log = smallLog(ORIGIN, 100) } = {}) => {
  const told: Told[] = [];
  const directory = temporaryFolder();
  const options = { directory, name: 'witness.example/w1', logs: [log.signer.verifierKey.text], host: '127.0.0.1', port: 0 };
  const witnessing = await witness(options, (one) => told.push(one));
  open.push(witnessing);
  return { log, told, options, witnessing, client: clientOf(witnessing) };
};
type Log = ReturnType<typeof smallLog>;
const clientOf = ({ url, verifierKey }: Pick<Witnessing, 'url' | 'verifierKey'>) =>
  witnessClient(url, parseVerifierKey(verifierKey), ownService(url, 5000));
const at = (log: Log, size: number) => [{ note: log.note(size), size }, (older: number) => log.proof(older, size)] as const;
const post = (url: string, body: string | Uint8Array<ArrayBuffer>) => fetch(`${url}/add-checkpoint`, { method: 'POST', body });

describe('a witness over HTTP', () => {
  test('answers with its cosignature, and with the size of the last where that is another', async () => {
    const { log, witnessing } = await meeting();
    const send = async (older: number, size: number) => {
      const answer = await post(witnessing.url, addCheckpointText({ older, proof: log.proof(older, size), note: log.note(size) }));
      return { status: answer.status, type: answer.headers.get('content-type'), body: await answer.text() };
    };
    const { status, body } = await send(0, 10);
    expect([status, body.split('\n').length, body.startsWith('— witness.example/w1 ')]).toEqual([200, 2, true]);
    const trust = { log: log.signer.verifierKey, witnesses: [parseVerifierKey(witnessing.verifierKey)], quorum: 1 };
    const [cosignature] = openCheckpoint(log.note(10) + body, trust).cosignatures;
    expect(Math.abs((cosignature?.at ?? 0) - Date.now() / 1000)).toBeLessThan(60);

    expect(await send(0, 20)).toEqual({ status: 409, type: 'text/x.tlog.size', body: '10\n' });
    expect((await send(10, 10)).status).toBe(200);
    expect((await send(10, 20)).status).toBe(200);
    expect(await send(10, 10)).toEqual({ status: 409, type: 'text/x.tlog.size', body: '20\n' });
  });

  test('refuses what the protocol says, and tells its operator of what is signed and does not fit', async () => {
    const { log, witnessing, told, client } = await meeting();
    await client.cosign(...at(log, 10));
    const fork = smallLog(ORIGIN, 100, { key: log.key, says: 'fork' });
    const unknown = smallLog('unknown.example', 100);
    const stranger = smallLog(ORIGIN, 100);
    const body = (of: Log, older: number, size: number) => addCheckpointText({ older, proof: of.proof(older, size), note: of.note(size) });
    const statuses = [
      [400, 'nonsense'],
      [400, addCheckpointText({ older: 20, proof: [], note: log.note(10) })],
      [400, Uint8Array.of(0xff, 0xfe)],
      [403, body(stranger, 10, 20)],
      [404, body(unknown, 10, 20)],
      [409, body(fork, 10, 10)],
      [413, 'old 0\n'.padEnd(200_000, 'A')],
      [422, body(fork, 10, 20)],
    ] as const;
    for (const [status, text] of statuses) expect([status, (await post(witnessing.url, text)).status]).toEqual([status, status]);
    expect((await fetch(`${witnessing.url}/add-checkpoint`)).status).toBe(405);
    expect((await fetch(witnessing.url)).status).toBe(404);
    expect(told).toEqual([
      { cosigned: ORIGIN, size: 10 },
      { refused: ORIGIN, status: 409, note: fork.note(10) },
      { refused: ORIGIN, status: 422, note: fork.note(20) },
    ]);
    // Nothing of all this has moved it.
    expect(await client.cosign(...at(log, 20))).toHaveLength(1);
  });

  test('goes on answering when somebody goes away in the middle of a body', async () => {
    const { log, witnessing, told, client } = await meeting();
    const { port, hostname } = new URL(witnessing.url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.write('POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 1000\r\n\r\nold 0\n');
    socket.destroy();
    await once(socket, 'close');
    expect(await client.cosign(...at(log, 10))).toHaveLength(1);
    expect(told).toEqual([{ cosigned: ORIGIN, size: 10 }]);
  });

  test('knows after a new start what it has cosigned, with the same key', async () => {
    const { log, options, witnessing, client } = await meeting();
    await client.cosign(...at(log, 10));
    await witnessing.close();
    open.splice(open.indexOf(witnessing), 1);
    const again = await witness({ ...options, name: undefined });
    open.push(again);
    expect(again.verifierKey).toBe(witnessing.verifierKey);
    const fork = smallLog(ORIGIN, 100, { key: log.key, says: 'fork' });
    await expect(clientOf(again).cosign(...at(fork, 20))).rejects.toMatchObject({ reason: 'fork' });
    expect(await clientOf(again).cosign(...at(log, 20))).toHaveLength(1);
  });
});

describe('the client of a witness', () => {
  test('learns what was cosigned, also by another node of the log', async () => {
    const { log, witnessing, client, told } = await meeting();
    const other = clientOf(witnessing);
    for (const [one, size] of [
      [client, 5],
      [other, 17],
      [client, 17],
      [client, 60],
      [other, 61],
    ] as const) {
      const lines = await one.cosign(...at(log, size));
      const trust = { log: log.signer.verifierKey, witnesses: [parseVerifierKey(witnessing.verifierKey)], quorum: 1 };
      expect(openCheckpoint(withLines(log.note(size), lines), trust).size).toBe(size);
    }
    expect(told.map((one) => 'cosigned' in one && one.size)).toEqual([5, 17, 17, 60, 61]);
  });

  test('says that the witness is ahead, and that it has seen another tree', async () => {
    const { log, witnessing, client } = await meeting();
    await client.cosign(...at(log, 50));
    await expect(client.cosign(...at(log, 40))).rejects.toMatchObject({ name: 'NoCosignature', reason: 'ahead' });
    const fork = smallLog(ORIGIN, 100, { key: log.key, says: 'fork' });
    for (const size of [50, 60]) await expect(clientOf(witnessing).cosign(...at(fork, size))).rejects.toMatchObject({ reason: 'fork' });
    const stranger = smallLog(ORIGIN, 100);
    await expect(clientOf(witnessing).cosign(...at(stranger, 60))).rejects.toMatchObject({ reason: 'refused' });
  });

  /** What the client makes of a witness that gives these answers, one after the other and the last one for ever. */
  const answered = async (...answers: { status: number; type?: string; body?: string }[]) => {
    const { log, witnessing } = await meeting();
    let asked = 0;
    const server = createServer((req, res) => {
      const { status, type = 'text/plain', body = '' } = answers[Math.min(asked, answers.length - 1)] as (typeof answers)[0];
      asked += 1;
      req.resume().on('end', () => res.writeHead(status, { 'content-type': type }).end(body));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    open.push(server);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const outcome = await clientOf({ url, verifierKey: witnessing.verifierKey })
      .cosign(...at(log, 10))
      .catch((error: unknown) => error);
    return { reason: (outcome as NoCosignature).reason, isOurs: outcome instanceof NoCosignature, asked };
  };
  const size = (body: string) => ({ status: 409, type: 'text/x.tlog.size', body });

  test('takes no cosignature that is none', async () => {
    for (const body of ['', '\n', 'nonsense\n', '— witness.example/w1 AAAAAAAA\n', smallLog('w', 1).note(1)])
      expect(await answered({ status: 200, body })).toEqual({ reason: 'refused', isOurs: true, asked: 1 });
  });

  test('does not ask for ever', async () => {
    expect(await answered(size('3\n'), size('4\n'), size('5\n'), size('6\n'))).toEqual({ reason: 'refused', isOurs: true, asked: 3 });
    expect(await answered(size('x\n'))).toEqual({ reason: 'refused', isOurs: true, asked: 1 });
    expect(await answered({ status: 500 })).toEqual({ reason: 'refused', isOurs: true, asked: 1 });
  });
});
