import express, { type ErrorRequestHandler, type Express, Router } from 'express';
import { OAuthError } from '../domain/oauth-error.ts';
import { approverConsentRoutes } from './approver/consents.ts';
import { keepRawBody, type proveDevice } from './approver/device-auth.ts';
import { deviceRoutes } from './approver/devices.ts';
import { enrolmentRoutes } from './approver/enrolments.ts';
import { answerRoute, requestRoutes } from './approver/requests.ts';
import { send } from './listener.ts';
import { asRefusal, refusalReply } from './reply.ts';
import { PATHS } from './surface.ts';
import { consentRoutes } from './tpp/consents.ts';
import { discoveryRoutes } from './tpp/discovery.ts';

type DepsOf<Routes> = Routes extends (deps: infer Deps) => Router ? Deps : never;

/** What all routers together need. */
export type AppDeps = DepsOf<typeof discoveryRoutes> &
  DepsOf<typeof consentRoutes> &
  DepsOf<typeof enrolmentRoutes> &
  DepsOf<typeof deviceRoutes> &
  DepsOf<typeof requestRoutes> &
  DepsOf<typeof approverConsentRoutes> & { proveDevice: ReturnType<typeof proveDevice>; bodyBytes: number; onFault(error: unknown): void };

/** The Express application: discovery, the consents of TPPs, and the approver API. The protocol endpoints stand ahead of it (listener.ts). */
export const makeApp = (deps: AppDeps): Express => {
  const app = express().disable('x-powered-by').disable('etag');
  app.set('query parser', 'simple');
  app.use(discoveryRoutes(deps));
  app.use(PATHS.accountAccessConsents, consentRoutes(deps));
  app.use(PATHS.approver, approverRoutes(deps));
  app.use((req, res) => {
    const known = [PATHS.token, PATHS.backchannelAuthentication, PATHS.introspection, PATHS.revocation] as readonly string[];
    if (!known.includes(req.path)) throw new OAuthError('not_found', 'there is nothing here');
    if (req.method === 'POST') throw new OAuthError('invalid_request', 'parameters belong in the body, not in the query');
    res.set('Allow', 'POST');
    throw new OAuthError('method_not_allowed', 'this endpoint is called with POST');
  });
  return app.use(errorHandler(deps.onFault));
};

const approverRoutes = (deps: AppDeps): Router =>
  Router()
    .use(express.json({ limit: deps.bodyBytes, verify: keepRawBody }))
    .use(enrolmentRoutes(deps))
    .use(answerRoute(deps))
    .use(deps.proveDevice)
    .use(deviceRoutes(deps))
    .use(requestRoutes(deps))
    .use(approverConsentRoutes(deps));

/** The only place where an error of a route becomes a response. */
const errorHandler =
  (onFault: (error: unknown) => void): ErrorRequestHandler =>
  (error, _req, res, _next) => {
    const refusal = asRefusal(error);
    if (refusal.error === 'server_error') onFault(error);
    send(res, refusalReply(refusal));
  };
