import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { type Duty, sharedDuty } from '../../../src/adapters/shared/duty.ts';
import { inMemoryRecords, type SharedRecords } from '../../../src/adapters/shared/records.ts';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

interface Node {
  id: string;
  duty: Duty;
  ours: boolean;
  /** What stands between the node and the records: the store is away, or does not answer. */
  store: 'there' | 'away' | 'silent';
  /** How late its next look reaches the records. */
  lateMs: number;
  faults: unknown[];
}

/** Nodes over the same records, and the moments at which more than one of them was on duty. */
const world = () => {
  const records = inMemoryRecords();
  const nodes: Node[] = [];
  const crowds: string[] = [];
  const start = (id: string, lateMs = 0): Node => {
    const through = async <T>(call: () => Promise<T>): Promise<T> => {
      if (node.store === 'away') throw new Error('the store is away');
      if (node.store === 'silent') return new Promise<T>(() => undefined);
      return call();
    };
    const own: SharedRecords = {
      ...records,
      read: (name) =>
        through(async () => {
          const late = node.lateMs;
          node.lateMs = 0;
          if (late > 0) await new Promise((resolve) => setTimeout(resolve, late));
          return records.read(name);
        }),
      write: (name, text, revision) => through(() => records.write(name, text, revision)),
    };
    const node: Node = { id, ours: false, store: 'there', lateMs, faults: [], duty: undefined as unknown as Duty };
    nodes.push(node);
    node.duty = sharedDuty(own, { nodeId: id, nowMs: () => jest.now(), onFault: (error) => node.faults.push(error) });
    node.duty.onDuty.subscribe((ours) => {
      node.ours = ours;
      const on = nodes.filter((one) => one.ours).map((one) => one.id);
      if (on.length > 1) crowds.push(`${jest.now()} ${on}`);
    });
    return node;
  };
  const pass = async (seconds: number) => {
    for (let ms = 0; ms < seconds * 1000; ms += 500) await jest.advanceTimersByTimeAsync(500);
  };
  return { records, start, crowds, pass, onDuty: () => nodes.filter(({ ours }) => ours).map(({ id }) => id) };
};

describe('the duty of nodes', () => {
  test('is one node’s, from its start on and as long as it lives', async () => {
    const { start, pass, onDuty, crowds } = world();
    start('a');
    await pass(1);
    start('b');
    start('c');
    await pass(1);
    expect(onDuty()).toEqual(['a']);
    await pass(600);
    expect([onDuty(), crowds]).toEqual([['a'], []]);
  });

  test('is handed over by one that stops', async () => {
    const { start, pass, onDuty, crowds } = world();
    const a = start('a');
    await pass(1);
    start('b');
    await pass(5);
    await a.duty.close();
    expect(onDuty()).toEqual([]);
    await pass(2);
    expect([onDuty(), crowds]).toEqual([['b'], []]);
  });

  test.each(['away', 'silent'] as const)('is given up by one whose store is %s, before another takes it', async (how) => {
    const { start, pass, onDuty, crowds } = world();
    const a = start('a');
    await pass(1);
    start('b');
    await pass(5);
    a.store = how;
    await pass(6);
    expect(onDuty()).toEqual(['a']);
    await pass(3);
    expect(onDuty()).toEqual([]);
    await pass(7);
    expect(onDuty()).toEqual(['b']);
    a.store = 'there';
    await pass(60);
    expect([onDuty(), crowds]).toEqual([['b'], []]);
    expect(a.faults.length > 0).toBe(how === 'away');
  });

  test('is not taken by one whose look was late, from another that has it', async () => {
    const { start, pass, onDuty, crowds } = world();
    start('a');
    await pass(1);
    // Longer than the silence after which it may take it, and answered with what stands there in the end.
    start('b', 11_500);
    await pass(60);
    expect([onDuty(), crowds]).toEqual([['a'], []]);
  });

  test('comes back to the only node when its store does', async () => {
    const { start, pass, onDuty } = world();
    const a = start('a');
    await pass(1);
    a.store = 'away';
    await pass(30);
    expect(onDuty()).toEqual([]);
    a.store = 'there';
    await pass(3);
    expect(onDuty()).toEqual(['a']);
  });

  test('is not taken for its own by a node that was started again', async () => {
    const { start, pass, onDuty, records, crowds } = world();
    await records.write('duty', 'a before', -1);
    start('a now');
    await pass(11);
    expect(onDuty()).toEqual([]);
    await pass(4);
    expect([onDuty(), crowds]).toEqual([['a now'], []]);
  });
});
