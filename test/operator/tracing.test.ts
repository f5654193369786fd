import { AsyncLocalStorage } from 'node:async_hooks';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { type Attributes, type Context, context, ROOT_CONTEXT, type Span, type SpanStatus, trace } from '@opentelemetry/api';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { inMemoryPushSender } from '../../src/adapters/push/in-memory.ts';
import type { Ports } from '../../src/engine.ts';
import { tracing } from '../../src/serve/tracing.ts';
import { newEvent } from '../support/new-events.ts';

/** A span as an SDK would export it. */
interface Ended {
  name: string;
  id: string;
  parent: string | undefined;
  attributes: Attributes;
  status: SpanStatus | null;
}

const ended: Ended[] = [];
let spans = 0;

/** The smallest tracer that an SDK could bring. */
const startSpan = (name: string, options: { attributes?: Attributes } = {}, within: Context = context.active()): Span => {
  spans += 1;
  const spanContext = { traceId: 'a'.repeat(32), spanId: String(spans).padStart(16, '0'), traceFlags: 1 };
  const kept: Ended = {
    ...{ name, id: spanContext.spanId, parent: trace.getSpan(within)?.spanContext().spanId },
    ...{ attributes: { ...options.attributes }, status: null },
  };
  const span: Partial<Span> = {
    spanContext: () => spanContext,
    setAttribute(key, value) {
      kept.attributes[key] = value;
      return span as Span;
    },
    setAttributes(attributes) {
      Object.assign(kept.attributes, attributes);
      return span as Span;
    },
    setStatus(status) {
      kept.status = status;
      return span as Span;
    },
    end: () => void ended.push(kept),
  };
  return span as Span;
};
const startActiveSpan = (name: string, options: object, act: (span: Span) => unknown) => {
  const span = startSpan(name, options);
  return context.with(trace.setSpan(context.active(), span), act as never, undefined, span);
};

const storage = new AsyncLocalStorage<Context>();
const register = () => {
  context.setGlobalContextManager({
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (within, act, self, ...args) => storage.run(within, () => act.apply(self, args)),
    bind: (_within, target) => target,
    enable: () => undefined as never,
    disable: () => undefined as never,
  });
  trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan, startActiveSpan }) as never });
};
afterEach(() => void ended.splice(0));
afterAll(() => {
  trace.disable();
  context.disable();
});

const ports = () => ({ store: inMemoryEventStore(), pushSender: inMemoryPushSender(), outbound: {} }) as unknown as Ports;

test('without an SDK the ports and the serving are the same objects', () => {
  const { traced, around } = tracing();
  const given = ports();
  const serve = async () => undefined;
  expect(traced(given)).toBe(given);
  expect(around(serve)).toBe(serve);
});

test('with one, a request is a span, and what it appends and calls stands in it', async () => {
  register();
  const { traced, around } = tracing();
  const fetch = async () => Promise.reject(new TypeError('a secret'));
  const { store, pushSender, outbound } = traced({ ...ports(), outbound: { fetch, check: async () => undefined } });
  const serve = around(async (_route, _params, _target, _req, res) => {
    await Promise.resolve();
    await store.append('consent-of-somebody', [newEvent({ type: 'ConsentLodged' })], -1);
    await pushSender.wake({ pushToken: 'push-token', requestId: 'request-id', ttlSeconds: 1 });
    await outbound.fetch({ method: 'POST', url: 'https://tpp.example/secret' }).catch(() => undefined);
    res.statusCode = 503;
  });
  await serve(
    { method: 'POST', path: '/approver/v1/requests/{request_id}', handle: async () => ({}) as never },
    {},
    '/x',
    {} as never,
    {} as never,
  );
  const request = ended.find(({ name }) => name === 'POST /approver/v1/requests/{request_id}') as Ended;
  expect(request.parent).toBeUndefined();
  expect(request.status).toEqual({ code: 2 });
  expect(ended.map(({ name, parent, attributes }) => [name, parent, attributes])).toEqual([
    ['append', request.id, { 'countersign.category': 'consent', 'countersign.events': ['ConsentLodged'], 'countersign.position': 1 }],
    ['push', request.id, { 'countersign.outcome': 'accepted' }],
    ['call', request.id, { 'http.request.method': 'POST', 'error.type': 'TypeError' }],
    [
      request.name,
      undefined,
      { 'http.request.method': 'POST', 'http.route': '/approver/v1/requests/{request_id}', 'http.response.status_code': 503 },
    ],
  ]);
});
