import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { type ReplayOf, replay } from '../../src/cli/replay.ts';
import { type Config, loadConfig } from '../../src/config.ts';
import type { EventStore, StoredEvent } from '../../src/domain/ports/event-store.ts';
import { statesOf } from '../../src/domain/replay.ts';
import { foldAll } from '../support/fold-all.ts';
import { writeHistory } from '../support/history.ts';
import { freshEnvironment, temporaryFolder } from '../support/served.ts';

const CLI = join(import.meta.dirname, '../../src/cli.ts');

let env: Record<string, string>;
let config: Config;
let log: readonly StoredEvent[];
/** The process that writes the log has it open all the time. */
let writing: EventStore;

beforeAll(async () => {
  env = await freshEnvironment();
  ({ config } = loadConfig({ env, cwd: temporaryFolder() }));
  let now = 1_750_000_000_000;
  writing = sqliteEventStore(join(config.dataDir, 'log.sqlite'), { now: () => (now += 1000) });
  await writeHistory(writing, { ceremonies: 20, seed: 5 });
  log = await writing.readAll(0, 1_000_000);
});
afterAll(() => writing.close());

const replayed = async (of: Partial<ReplayOf>): Promise<string[]> => {
  const lines: string[] = [];
  await replay(config, { consentId: null, until: null, json: false, ...of }, { print: (line) => void lines.push(line), progress: null });
  return lines;
};
/** What a terminal shows, where a second passes between any two looks at the clock. */
const shownWhile = async (of: Partial<ReplayOf>): Promise<string[]> => {
  const bars: string[] = [];
  let now = 0;
  const clock = jest.spyOn(performance, 'now').mockImplementation(() => (now += 1000));
  const output = { print: () => undefined, progress: (bar: string) => void bars.push(bar) };
  await replay(config, { consentId: null, until: null, json: false, ...of }, output).finally(() => clock.mockRestore());
  return bars;
};
const replayedJson = async (of: Partial<ReplayOf>) =>
  (await replayed({ ...of, json: true })).map((line) => JSON.parse(line) as { position: number; stream: string; state: unknown });

describe('countersign replay', () => {
  test('shows every fact with the state after it', async () => {
    const shown = (await replayedJson({})).map(({ position, state }) => ({ position, state }));
    expect(shown.length).toBeGreaterThan(300);
    expect(shown).toEqual([...foldAll(log)].map(({ event: { position }, state }) => ({ position, state })));
  });

  test('shows the story of one consent, on all its streams', async () => {
    const { correlationId } = log.find(({ type }) => type === 'CibaRequestRedeemed') as StoredEvent;
    const shown = await replayedJson({ consentId: correlationId });
    const story = log.filter((event) => event.correlationId === correlationId);
    expect(shown.map(({ position }) => position)).toEqual(story.map(({ position }) => position));
    for (const [stream, state] of statesOf(story)) expect(shown.findLast((fact) => fact.stream === stream)?.state).toEqual(state);
  });

  test('ends at a position, or at a moment', async () => {
    expect(await replayedJson({ until: '17' })).toHaveLength(17);
    const moment = log[99]?.recordedAt ?? 0;
    const until = log.filter(({ recordedAt }) => recordedAt <= moment).length;
    expect(await replayedJson({ until: new Date(moment).toISOString() })).toHaveLength(until);
    expect(await replayedJson({ until: '2999-01-01T00:00:00+01:00' })).toHaveLength(log.length);
    await expect(replayed({ until: 'yesterday' })).rejects.toThrow('expected a position, or a moment');
  });

  test('tells people what each fact changed, and nothing that is personal', async () => {
    const lines = await replayed({});
    const approved = lines.findIndex((line) => line.includes('  CibaRequestApproved  '));
    expect(lines[approved]).toMatch(/^\d+ {2}\d{4}-\d\d-\d\dT\S+Z {2}CibaRequestApproved {2}device \S+ {2}cibaRequest-\S+$/);
    expect(lines[approved + 1]).toBe('    status: pending → approved');
    expect(lines[approved + 2]).toMatch(/^ {4}answer: null → \{"verdict":"approved",.*"sealed":null\}$/);
    expect(lines.at(-1)).toBe(`${log.length} facts`);
    expect(lines.join('\n')).not.toMatch(/"text"|account-1/);
  });

  test('shows on a terminal how far it is of what it plays', async () => {
    const { correlationId, recordedAt } = log[99] as StoredEvent;
    const at = new Date(recordedAt).toISOString();
    const ofAll = log.length.toLocaleString('en');
    for (const [of, what, total] of [
      [{}, 'replayed', ofAll],
      [{ until: '17' }, 'replayed', '17'],
      [{ until: '99999' }, 'replayed', ofAll],
      [{ until: at }, 'replayed', '100'],
      [{ until: '2999-01-01T00:00:00Z' }, 'replayed', ofAll],
      [{ consentId: correlationId }, 'looked through', ofAll],
    ] as const) {
      const bars = await shownWhile(of);
      expect([of, bars.at(-2)]).toEqual([of, expect.stringContaining(`${what} ${'█'.repeat(30)} 100 %, ${total} of ${total}, `)]);
      expect(bars.at(-1)).toBe('');
    }
  });

  test('refuses a consent that is not there', async () => {
    await expect(replayed({ consentId: 'nobody-lodged-it' })).rejects.toThrow('nothing of a consent nobody-lodged-it');
  });

  test('runs from the command line beside the process that writes', async () => {
    await expect(async () => sqliteEventStore(join(config.dataDir, 'log.sqlite'))).rejects.toThrow('another Countersign process');
    const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, 'replay', '--json', '--until', '3'], {
      env: { ...process.env, ...env },
      encoding: 'utf8',
      cwd: config.dataDir,
    });
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout.trim().split('\n')).toEqual(await replayed({ json: true, until: '3' }));
  });
});
