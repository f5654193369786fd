import express, { type ErrorRequestHandler, type Express } from 'express';
import { OAuthError } from '../domain/oauth-error.ts';
import { type Serve, send } from './listener.ts';
import { asRefusal, refusalReply } from './reply.ts';
import type { Route } from './route.ts';

/** The Express application: every route of the table, and a clear word for what is none. */
export const makeApp = (routes: readonly Route[], { serve, onFault }: { serve: Serve; onFault(error: unknown): void }): Express => {
  const app = express().disable('x-powered-by').disable('etag');
  app.set('query parser', 'simple').enable('case sensitive routing').enable('strict routing');
  for (const [path, there] of Map.groupBy(routes, (route) => route.path)) {
    const place = app.route(path.replaceAll(/\{(\w+)\}/g, ':$1'));
    for (const route of there)
      place[METHOD[route.method]]((req, res) => serve(route, req.params as Record<string, string>, req.originalUrl, req, res));
    const none = notAllowed(there as [Route, ...Route[]]);
    place.all((req, res) => serve(none, {}, req.originalUrl, req, res));
  }
  app.use((req, res) => serve(NOWHERE, {}, req.originalUrl, req, res));
  return app.use(errorHandler(onFault));
};

/** Where nothing is: one name for all such paths, which may be any text of any caller. */
const NOWHERE: Route = {
  method: 'GET',
  path: '(nothing)',
  async handle() {
    throw new OAuthError('not_found', 'there is nothing here');
  },
};

const METHOD = { GET: 'get', POST: 'post', PUT: 'put', PATCH: 'patch', DELETE: 'delete' } as const;

/** What a path answers to the methods that it does not have, in the words of its routes. */
const notAllowed = (there: readonly [Route, ...Route[]]): Route => {
  const allowed = there.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ');
  const [{ refuse = (refusal: OAuthError) => refusalReply(refusal) }] = there;
  return {
    ...there[0],
    async handle() {
      throw new OAuthError('method_not_allowed', `this is called with ${allowed}`);
    },
    refuse(refusal, call) {
      const reply = refuse(refusal, call);
      return { ...reply, headers: { ...reply.headers, Allow: allowed } };
    },
  };
};

/** What Express itself could not read. */
const errorHandler =
  (onFault: (error: unknown) => void): ErrorRequestHandler =>
  (error, _req, res, _next) => {
    const refusal = asRefusal(error);
    if (refusal.error === 'server_error') onFault(error);
    send(res, refusalReply(refusal));
  };
