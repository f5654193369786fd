import { type Attributes, type ProxyTracerProvider, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import type { Serve } from '../api/listener.ts';
import type { Ports } from '../engine.ts';

/** Spans for whoever has registered an SDK of OpenTelemetry before the start; for nobody else is anything done. */
export interface Tracing {
  /** The same ports: each append, push and call of others is a span. */
  traced(ports: Ports): Ports;
  /** One span for each request, which the others stand in. */
  around(serve: Serve): Serve;
}

/** Looks once, at the start. */
export const tracing = (): Tracing => {
  // What the API gives everybody is a proxy; behind it is nothing until an SDK is registered.
  const tracer = (trace.getTracerProvider() as ProxyTracerProvider).getDelegateTracer('countersign');
  return tracer === undefined ? { traced: (ports) => ports, around: (serve) => serve } : tracingWith(tracer);
};

const tracingWith = (tracer: Tracer): Tracing => {
  /** What goes wrong is told by its name only: messages are for the log. */
  const spanned = <T>(name: string, attributes: Attributes, call: () => Promise<T>, outcome: (result: T) => Attributes): Promise<T> =>
    tracer.startActiveSpan(name, { kind: SpanKind.CLIENT, attributes }, async (span) => {
      try {
        const result = await call();
        span.setAttributes(outcome(result));
        return result;
      } catch (error) {
        span.setAttribute('error.type', (error as Error).name);
        span.setStatus({ code: SpanStatusCode.ERROR });
        throw error;
      } finally {
        span.end();
      }
    });

  return {
    traced: ({ store, pushSender, outbound, ...ports }) => ({
      ...ports,
      store: {
        ...store,
        append(stream, events, expectedRevision) {
          const what = { 'countersign.category': categoryOf(stream), 'countersign.events': events.map(({ type }) => type) };
          return spanned(
            'append',
            what,
            () => store.append(stream, events, expectedRevision),
            ({ position }) => ({ 'countersign.position': position }),
          );
        },
      },
      pushSender: {
        ...pushSender,
        wake: (wakeUp) =>
          spanned(
            'push',
            {},
            () => pushSender.wake(wakeUp),
            ({ outcome }) => ({ 'countersign.outcome': outcome }),
          ),
      },
      outbound: {
        ...outbound,
        fetch: (request) =>
          spanned(
            'call',
            { 'http.request.method': request.method },
            () => outbound.fetch(request),
            ({ status }) => ({ 'http.response.status_code': status }),
          ),
      },
    }),
    around: (serve) => (route, params, target, req, res) => {
      const attributes = { 'http.request.method': route.method, 'http.route': route.path };
      return tracer.startActiveSpan(`${route.method} ${route.path}`, { kind: SpanKind.SERVER, attributes }, async (span) => {
        try {
          await serve(route, params, target, req, res);
        } finally {
          span.setAttribute('http.response.status_code', res.statusCode);
          if (res.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
          span.end();
        }
      });
    },
  };
};

// The rest of the name is somebody's id.
const categoryOf = (stream: string): string => stream.slice(0, stream.indexOf('-'));
