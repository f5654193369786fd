import { describe, expect, test } from '@jest/globals';
import { NEVER } from 'rxjs';
import { readModels } from '../../src/api/read-models.ts';
import { asRefusal } from '../../src/api/reply.ts';
import type { EventStore } from '../../src/domain/ports/event-store.ts';
import type { Rows } from '../../src/domain/ports/rows.ts';
import { makeReached, ProjectionStopped, ProjectionsBehind } from '../../src/projections/runner.ts';

describe('read models', () => {
  test('find what is applied while the store is asked for its newest event', async () => {
    const rows = new Map<string, string>();
    let at = 41;
    const head = async () => {
      rows.set('token', 'active');
      at = 42;
      return 42;
    };
    const projections = { position: () => at, reached: async () => undefined };
    const { find } = readModels({ head } as unknown as EventStore, rows as unknown as Rows, projections as never);
    expect(await find(() => rows.get('token'))).toBe('active');
    expect(await find(() => rows.get('another'))).toBeUndefined();
  });

  test('that are behind, or have stopped, let the caller come again', async () => {
    await expect(makeReached(() => 1, NEVER)(2, 1)).rejects.toThrow(ProjectionsBehind);
    for (const error of [new ProjectionsBehind(2), new ProjectionStopped(2)])
      expect(asRefusal(error)).toMatchObject({ error: 'temporarily_unavailable' });
  });
});
