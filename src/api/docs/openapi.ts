import * as z from 'zod';
import type { Route, RouteDoc } from '../route.ts';
import { type Refusal, refusalsOf } from './refusals.ts';

type Documented = Route & { doc: RouteDoc };
type Json = Readonly<Record<string, unknown>>;

/** The ways to prove who calls. A client assertion, which OpenAPI has no word for, stands among the parameters of the form. */
const SECURITY: Record<RouteDoc['security'], readonly Json[]> = {
  none: [],
  client: [{ clientSecret: [] }, { clientCertificate: [] }, {}],
  bearer: [{ accessToken: [] }, { dpop: [] }],
  operator: [{ accessToken: [] }, { dpop: [] }, { clientSecret: [] }],
  device: [{ deviceProof: [] }],
  psu: [{ password: [] }],
  'registration token': [{ registrationToken: [] }],
};

const SCHEMES = {
  clientSecret: { type: 'http', scheme: 'basic', description: 'client_secret_basic (RFC 6749, section 2.3.1)' },
  clientCertificate: { type: 'mutualTLS', description: 'tls_client_auth, self_signed_tls_client_auth (RFC 8705), at the mTLS listener' },
  accessToken: {
    type: 'http',
    scheme: 'bearer',
    description: 'An access token (RFC 6750), at the mTLS listener where it is bound to a certificate',
  },
  dpop: {
    type: 'http',
    scheme: 'DPoP',
    description: 'An access token that is bound to a key, with its proof in the header DPoP (RFC 9449)',
  },
  deviceProof: { type: 'http', scheme: 'DeviceProof', description: 'A JWS of the device key over this call (device-proof+jwt)' },
  password: { type: 'http', scheme: 'basic', description: 'User name and password of the PSU' },
  registrationToken: { type: 'http', scheme: 'bearer', description: 'The registration access token (RFC 7592)' },
};

const REFUSAL = {
  type: 'object',
  properties: { error: { type: 'string' }, error_description: { type: 'string' } },
  required: ['error'],
};

const DPOP = z.object({ DPoP: z.string().optional().describe('A proof of the key that tokens are bound to (RFC 9449)') });

/** The headers by which a caller proves who it is; OpenAPI wants none for what a scheme of HTTP holds. */
const HEADERS: Partial<Record<RouteDoc['security'], z.ZodObject>> = { client: DPOP, bearer: DPOP, operator: DPOP };

/** The OpenAPI 3.1 document of the routes. */
export const openApi = (routes: readonly Route[], { issuer, mtlsBase }: { issuer: string; mtlsBase: string }): Json => ({
  openapi: '3.1.0',
  info: {
    title: 'Countersign',
    version: '1',
    description: 'Consent and authorization: OpenID CIBA and the redirect flow for TPPs, approval on a phone for PSUs.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: issuer }, { url: mtlsBase, description: 'asks for a client certificate' }],
  paths: Object.fromEntries(
    [...Map.groupBy(documented(routes), ({ path }) => path)].map(([path, there]) => [
      path,
      Object.fromEntries(there.map((route) => [route.method.toLowerCase(), operation(route)])),
    ]),
  ),
  components: { securitySchemes: SCHEMES, schemas: { Refusal: REFUSAL } },
});

/** The routes that a reader is told of. */
export const documented = (routes: readonly Route[]): readonly Documented[] =>
  routes.filter((route): route is Documented => route.doc !== undefined);

/** The JSON Schema (2020-12) of what goes in or comes out. */
export const jsonSchema = (schema: z.ZodType, io: 'input' | 'output'): Json => {
  const { $schema: _, ...described } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return described;
};

const operation = ({ method, path, doc }: Documented): Json => ({
  // A path that is served with a slash at its end as well is another operation.
  operationId: `${method.toLowerCase()}${path.replace(/\/$/, '/slash').replaceAll(/[^A-Za-z0-9]+(.?)/g, (_, next: string) => next.toUpperCase())}`,
  summary: doc.summary,
  security: SECURITY[doc.security],
  parameters: [...inPath(path), ...parameters('query', doc.query), ...parameters('header', headersOf(doc))],
  ...requestBody(doc),
  responses: { ...successes(doc), ...refusals(doc) },
});

const inPath = (path: string): Json[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));

/** The headers of a call that count. */
export const headersOf = ({ security, headers }: RouteDoc): z.ZodObject | undefined => {
  const common = HEADERS[security];
  return common === undefined ? headers : common.extend(headers?.shape ?? {});
};

const parameters = (place: 'query' | 'header', held: z.ZodObject | undefined): Json[] => {
  if (held === undefined) return [];
  const { properties = {}, required = [] } = jsonSchema(held, 'input') as { properties?: Json; required?: readonly string[] };
  return Object.entries(properties).map(([name, schema]) => ({ name, in: place, required: required.includes(name), schema }));
};

const requestBody = ({ form, json }: RouteDoc): Json => {
  const content = {
    ...(form && { 'application/x-www-form-urlencoded': { schema: jsonSchema(form, 'input') } }),
    ...(json && { 'application/json': { schema: jsonSchema(json, 'input') } }),
  };
  return Object.keys(content).length === 0 ? {} : { requestBody: { required: true, content } };
};

/** Whether what is answered is told by a schema, and not by its content types alone. */
export const isSchema = (body: string | readonly string[] | z.ZodType): body is z.ZodType =>
  typeof body === 'object' && !Array.isArray(body);

const successes = ({ answers }: RouteDoc): Json =>
  Object.fromEntries(
    Object.entries(answers).map(([status, body]) => {
      if (body === null) return [status, { description: 'done' }];
      const content = isSchema(body)
        ? { 'application/json': { schema: jsonSchema(body, 'output') } }
        : Object.fromEntries([body].flat().map((type) => [type, {}]));
      return [status, { description: 'done', content }];
    }),
  );

const refusals = (doc: RouteDoc): Json =>
  Object.fromEntries(
    [...Map.groupBy(refusalsOf(doc), ({ status }) => status)].map(([status, there]) => [
      status,
      { description: there.map(({ error }) => error).join(', '), content: refusalContent(doc, there) },
    ]),
  );

const COMMON_BODY = { $ref: '#/components/schemas/Refusal' };

const refusalContent = ({ refusal }: RouteDoc, there: readonly Refusal[]): Json => {
  if (refusal?.type !== undefined) return { [refusal.type]: {} };
  const ownBody = refusal?.schema === undefined ? COMMON_BODY : jsonSchema(refusal.schema, 'output');
  const bodies = [...new Set(there.map(({ own }) => (own ? ownBody : COMMON_BODY)))];
  return { 'application/json': { schema: bodies.length === 1 ? bodies[0] : { oneOf: bodies } } };
};
