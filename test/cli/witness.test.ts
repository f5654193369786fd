import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, test } from '@jest/globals';
import { CommandFailed } from '../../src/cli/command-failed.ts';
import { type WitnessOptions, witness } from '../../src/cli/witness.ts';
import { openCheckpoint } from '../../src/evidence/checkpoint.ts';
import { COSIGNATURE, parseSignerKey, parseVerifierKey, witnessSigner } from '../../src/evidence/note-key.ts';
import { addCheckpointText } from '../../src/evidence/witness.ts';
import { newKey, smallLog } from '../evidence/support.ts';
import { temporaryFolder } from '../support/served.ts';

// npm run campaign:checkpoints has more.
const ROUNDS = Number(process.env['ROUNDS'] ?? 200);

const CLI = join(import.meta.dirname, '../../src/cli.ts');
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

/** `countersign witness` in a process of its own, when it has said where it is. */
const started = async (directory: string, logs: readonly string[], ...more: string[]) => {
  const args = ['witness', '--data', directory, '--port', '0', ...logs.flatMap((log) => ['--log', log]), ...more];
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const printed: string[] = [];
  const lines = createInterface({ input: child.stdout }).on('line', (line) => printed.push(line));
  while (printed.length < 2) await once(lines, 'line');
  const [first = '', second = ''] = printed;
  return {
    verifierKey: first.replace('witness ', ''),
    url: second.replace(/^\s+at /, ''),
    async stop(signal: NodeJS.Signals) {
      const ended = once(child, 'exit');
      child.kill(signal);
      return (await ended)[0] as number | null;
    },
  };
};

describe('countersign witness', () => {
  test('makes its key at the first start, for itself alone, and keeps it', async () => {
    const directory = join(temporaryFolder(), 'new');
    const logs = ['a.example', 'b.example'].map((name) => smallLog(name, 1).signer.verifierKey.text);
    const { verifierKey, stop } = await started(directory, logs, '--name', 'witness.example/w1');
    expect(parseVerifierKey(verifierKey)).toMatchObject({ name: 'witness.example/w1', type: COSIGNATURE });
    const file = join(directory, 'witness.key');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(parseSignerKey(readFileSync(file, 'utf8').trim()).name).toBe('witness.example/w1');
    expect(await stop('SIGTERM')).toBe(0);
    const again = await started(directory, logs);
    expect(again.verifierKey).toBe(verifierKey);
    expect(await again.stop('SIGINT')).toBe(0);
  });

  test('says in a line what it was not given', async () => {
    const directory = temporaryFolder();
    const { text } = smallLog('a.example', 1).signer.verifierKey;
    const good = { directory, logs: [text], host: '127.0.0.1', port: 0 };
    const refused = async (other: Partial<WitnessOptions>) => {
      const outcome = await witness({ ...good, ...other }).catch((error: unknown) => error);
      expect(outcome).toBeInstanceOf(CommandFailed);
      return (outcome as CommandFailed).message;
    };
    expect(await refused({ logs: [] })).toContain('needs the key of a log');
    expect(await refused({ logs: [text, 'nonsense'] })).toContain('nonsense is no key of a log');
    const cosigner = witnessSigner('a.example', newKey(), () => 0).verifierKey.text;
    expect(await refused({ logs: [cosigner] })).toContain("is no key of a log: a key of type 1 is expected: a log's");
    expect(await refused({})).toContain('a new witness needs a name');
    expect(await refused({ name: 'w 1' })).toContain('a new witness needs a name');
    expect(await refused({ name: 'w1', port: Number.NaN })).toBe('a port is a number up to 65535');
    expect(await refused({ name: 'w1', host: '192.0.2.1' })).toContain('the witness cannot listen');
    expect(await refused({ name: 'w2' })).toContain('is of the witness w1');
    writeFileSync(join(directory, 'witness.key'), 'PRIVATE+KEY+w1+00000000+secret');
    expect(await refused({ name: 'w1' })).toMatch(/^(?!.*secret).*witness\.key holds no key of a witness/);
    const { status, stderr } = spawnSync(process.execPath, [CLI, 'witness', '--data', directory], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^countersign: a witness needs the key of a log: .*\n$/)]);
  });

  test('does not begin again where what it has cosigned is gone', async () => {
    const directory = temporaryFolder();
    const { text } = smallLog('a.example', 1).signer.verifierKey;
    const options = { directory, name: 'w1', logs: [text], host: '127.0.0.1', port: 0 };
    await (await witness(options)).close();
    await (await witness(options)).close();
    for (const suffix of ['', '-wal', '-shm']) rmSync(join(directory, `witness.sqlite${suffix}`), { force: true });
    for (let time = 0; time < 2; time += 1) await expect(witness(options)).rejects.toThrow(/^witness\.sqlite in .* is gone/);
  });

  test('ends when it is told to, also while somebody is connected who sends nothing, or half of a request', async () => {
    const { verifierKey } = smallLog('a.example', 1).signer;
    const { url, stop } = await started(temporaryFolder(), [verifierKey.text], '--name', 'w1');
    for (const sent of ['', 'POST /add-checkpoint HTTP/1.1\r\nhost: w1\r\ncontent-length: 9\r\n\r\nhalf']) {
      const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined);
      await once(socket, 'connect');
      socket.write(sent);
    }
    // An answer comes when what was sent before has been taken in.
    expect((await fetch(url)).status).toBe(404);
    expect(await stop('SIGTERM')).toBe(0);
  }, 20_000);

  // Two processes have the same file, as when somebody starts a witness twice; in each round both are asked at once to go on from where the
  // last one ended, one of them with a smaller tree.
  test(`never rolls back, with two of them racing for ${ROUNDS} rounds`, async () => {
    const directory = temporaryFolder();
    const log = smallLog('bank.example/consents', 4001);
    const { verifierKey: key } = log.signer;
    const first = await started(directory, [key.text], '--name', 'w1');
    const second = await started(directory, [key.text]);
    expect(second.verifierKey).toBe(first.verifierKey);
    const trust = { log: key, witnesses: [parseVerifierKey(first.verifierKey)], quorum: 1 };

    const ask = async (url: string, older: number, size: number) => {
      const body = addCheckpointText({ older, proof: log.proof(older, size), note: log.note(size) });
      const answer = await fetch(`${url}/add-checkpoint`, { method: 'POST', body });
      return { size, status: answer.status, text: await answer.text() };
    };

    let cosigned = 0;
    const wins = [0, 0];
    for (let round = 0; round < ROUNDS; round += 1) {
      const [small, large] = [cosigned + 1, cosigned + 1 + (round % 3) + 1];
      const sizes = round % 2 === 0 ? [small, large] : [large, small];
      const answers = await Promise.all([ask(first.url, cosigned, sizes[0] as number), ask(second.url, cosigned, sizes[1] as number)]);
      const won = answers.findIndex(({ status }) => status === 200);
      const [winner, loser] = [answers[won], answers[1 - won]];
      // Who came second is told the size of who came first.
      expect([winner?.status, loser?.status, loser?.text]).toEqual([200, 409, `${winner?.size}\n`]);
      expect(openCheckpoint(log.note(winner?.size ?? 0) + winner?.text, trust).size).toBe(winner?.size);
      cosigned = winner?.size ?? 0;
      wins[won] = (wins[won] ?? 0) + 1;
    }
    // Both were in it.
    expect(Math.min(...wins)).toBeGreaterThan(ROUNDS / 20);

    // What was cosigned is there after kill -9.
    await first.stop('SIGKILL');
    await second.stop('SIGKILL');
    const third = await started(directory, [key.text]);
    expect((await ask(third.url, 0, 1)).text).toBe(`${cosigned}\n`);
    await third.stop('SIGTERM');
  }, 120_000);
});
