import { z } from 'zod';
import { json, type Reply } from '../reply.ts';
import type { Route, RouteDoc } from '../route.ts';
import { OPERATOR_PATHS } from '../surface.ts';
import type { Readiness } from './readiness.ts';

/** Whether the process lives, and whether it is to be given calls: for those who start it and those who stand before it. */
export const healthRoutes = (readiness: () => Promise<Readiness>): Route[] => [
  // That it answers is the answer: nothing that it depends on may have it killed.
  { method: 'GET', path: OPERATOR_PATHS.live, doc: liveDoc, handle: async () => ALIVE },
  {
    method: 'GET',
    path: OPERATOR_PATHS.ready,
    doc: readyDoc,
    async handle() {
      const seen = await readiness();
      return json(seen.ready ? 200 : 503, seen, seen.ready ? {} : { 'Retry-After': '1' });
    },
  },
];

/** The metrics, as Prometheus reads them. */
export const metricsRoute = (render: () => Promise<{ type: string; text: string }>): Route => ({
  method: 'GET',
  path: OPERATOR_PATHS.metrics,
  async handle(): Promise<Reply> {
    const { type, text } = await render();
    return { status: 200, headers: { 'Content-Type': type, 'Cache-Control': 'no-store' }, body: text };
  },
});

const ALIVE = json(200, { live: true });

const check = z.looseObject({ ok: z.boolean() });
const readinessBody = z.object({ ready: z.boolean(), checks: z.record(z.string(), check) });

const liveDoc: RouteDoc = {
  summary: 'The process lives',
  security: 'none',
  answers: { 200: z.object({ live: z.literal(true) }) },
  errors: [],
};

const readyDoc: RouteDoc = {
  summary: 'Whether this node is to be given calls: its store, its read models, what it owes, its keys',
  security: 'none',
  answers: { 200: readinessBody, 503: readinessBody },
  errors: [],
};
