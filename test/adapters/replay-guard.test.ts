import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, describe, expect, jest, test } from '@jest/globals';
import { sqliteReplayGuard } from '../../src/adapters/replay-guard.ts';
import { startProcess } from '../support/child-process.ts';

const dir = mkdtempSync(join(tmpdir(), 'countersign-replay-'));
afterAll(() => rmSync(dir, { recursive: true }));
afterEach(() => {
  jest.useRealTimers();
});
let files = 0;
const newFile = (): string => {
  files += 1;
  return join(dir, `${files}.sqlite`);
};

describe('an identifier', () => {
  test('is used once', async () => {
    const guard = sqliteReplayGuard(':memory:', () => 0);
    expect(await guard.firstUse('jti-1', 100)).toBe(true);
    expect(await guard.firstUse('jti-1', 100)).toBe(false);
    expect(await guard.firstUse('jti-1', 200)).toBe(false);
    expect(await guard.firstUse('jti-2', 100)).toBe(true);
    expect(await guard.firstUse('JTI-1', 100)).toBe(true);
    guard.close();
  });

  test('of many uses at once has exactly one first', async () => {
    const guard = sqliteReplayGuard(':memory:', () => 0);
    const uses = Array.from({ length: 500 }, (_, n) => guard.firstUse(`jti-${n % 10}`, 100));
    const first = await Promise.all(uses);
    expect(first).toEqual(uses.map((_, n) => n < 10));
    guard.close();
  });

  test('stays used when the guard is opened again', async () => {
    const file = newFile();
    const guard = sqliteReplayGuard(file, () => 0);
    await guard.firstUse('jti-1', 100);
    guard.close();
    const again = sqliteReplayGuard(file, () => 0);
    expect(await again.firstUse('jti-1', 100)).toBe(false);
    again.close();
  });

  test('stays used when the process was killed', async () => {
    const file = newFile();
    const child = startProcess('use-identifiers', [file]);
    await child.printed(200);
    await child.kill();
    const guard = sqliteReplayGuard(file, () => 0);
    const uses = await Promise.all(child.lines.map((identifier) => guard.firstUse(identifier as string, 10_000)));
    expect(uses).toEqual(child.lines.map(() => false));
    guard.close();
  });

  test('is forgotten once it has expired, and not before', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    let at = 0;
    const guard = sqliteReplayGuard(':memory:', () => at);
    await Promise.all([guard.firstUse('short', 60), guard.firstUse('long', 61)]);
    at = 60;
    jest.runOnlyPendingTimers();
    expect(await guard.firstUse('short', 200)).toBe(true);
    expect(await guard.firstUse('long', 200)).toBe(false);
    guard.close();
  });
});

describe('a guard that is closed', () => {
  test('has told those who were waiting', async () => {
    const file = newFile();
    const guard = sqliteReplayGuard(file, () => 0);
    const uses = [guard.firstUse('jti-1', 100), guard.firstUse('jti-1', 100)];
    guard.close();
    expect(await Promise.all(uses)).toEqual([true, false]);
    await new Promise((resolve) => setImmediate(resolve));
  });

  test('lets nothing pass', async () => {
    const guard = sqliteReplayGuard(':memory:', () => 0);
    guard.close();
    await expect(guard.firstUse('jti-1', 100)).rejects.toThrow();
  });
});

test('a use that cannot be written is not a first one, nor is it lost for later', async () => {
  const file = newFile();
  const guard = sqliteReplayGuard(file, () => 0);
  const other = new DatabaseSync(file);
  other.exec('begin immediate');
  await expect(guard.firstUse('jti-1', 100)).rejects.toThrow('locked');
  other.exec('rollback');
  expect(await guard.firstUse('jti-1', 100)).toBe(true);
  other.close();
  guard.close();
});
