import { json } from '../reply.ts';
import type { Route } from '../route.ts';
import { docsPage } from './docs-page.ts';
import { openApi } from './openapi.ts';

/** What the API offers, for programs and for people. Rendered once. */
export const docsRoutes = (routes: readonly Route[], surface: { issuer: string; mtlsBase: string }): Route[] => {
  const document = json(200, openApi(routes, surface), { 'Cache-Control': 'public, max-age=300' });
  const page = docsPage(routes);
  return [
    { method: 'GET', path: '/openapi.json', handle: async () => document },
    { method: 'GET', path: '/docs', handle: async () => page },
  ];
};
