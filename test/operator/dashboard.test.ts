import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Metrics, makeMetrics } from '../../src/serve/metrics.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';

interface Panel {
  id: number;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets: { refId: string; expr: string }[];
}
const { panels, templating } = JSON.parse(readFileSync(join(import.meta.dirname, '../../examples/grafana/countersign.json'), 'utf8')) as {
  panels: Panel[];
  templating: { list: { name: string; query: string }[] };
};
const expressions = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));

let tested: TestEngine;
let metrics: Metrics;
/** Every series that there is, by its name; a histogram has three. */
let names: Set<string>;
beforeAll(async () => {
  tested = await testEngine();
  metrics = makeMetrics();
  metrics.watch(tested.engine);
  const { text } = await metrics.render();
  names = new Set(
    [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name, type]) =>
      type === 'histogram' ? ['_bucket', '_sum', '_count'].map((part) => `${name}${part}`) : [String(name)],
    ),
  );
});
afterAll(async () => {
  metrics.close();
  await tested.close();
});

const namesIn = (expression: string): string[] => expression.match(/\b(countersign|process|nodejs)_\w+/g) ?? [];

describe('the dashboard', () => {
  test('asks for nothing that there is not', () => {
    expect(expressions.length).toBeGreaterThan(20);
    for (const expression of expressions) expect(namesIn(expression)).not.toEqual([]);
    const asked = [...expressions, ...templating.list.map(({ query }) => query)].flatMap(namesIn);
    expect(asked.filter((name) => !names.has(name))).toEqual([]);
  });

  test('shows every metric that is about the engine', () => {
    const shown = new Set(expressions.flatMap(namesIn).map((name) => name.replace(/_(bucket|sum|count)$/, '')));
    const hidden = [...names].map((name) => name.replace(/_(bucket|sum|count)$/, '')).filter((name) => !shown.has(name));
    expect([...new Set(hidden)].sort()).toEqual([
      'countersign_projections_position',
      'countersign_waited_total',
      'process_open_fds',
      'process_start_time_seconds',
    ]);
  });

  test('looks at one job, with brackets that close, and panels that do not lie over each other', () => {
    for (const expression of expressions) {
      expect(expression.match(/\(/g)?.length ?? 0).toBe(expression.match(/\)/g)?.length ?? 0);
      expect(expression.match(/\{/g)?.length).toBe(expression.match(/job="\$job"/g)?.length);
    }
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)}/${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBeLessThanOrEqual(24);
  });
});
