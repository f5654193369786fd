import type { Route } from '../route.ts';

/** The routes, each also under its tenant. There is one tenant: under any other there is nothing, as at every path that is none. */
export const inTenantForms = (routes: readonly Route[], tenantDomain: string): Route[] =>
  routes.flatMap((route) => [route, { ...route, path: `/t/${tenantDomain}${route.path}` }]);
