import { type Html, html } from '../pages/html.ts';
import { page } from '../pages/layout.ts';
import type { Reply } from '../reply.ts';
import type { Route, RouteDoc } from '../route.ts';
import { documented, headersOf, isSchema, jsonSchema } from './openapi.ts';
import { refusalsOf } from './refusals.ts';

const CALLER: Record<RouteDoc['security'], string> = {
  none: 'anybody',
  client: 'a client, by the method that it is registered with',
  bearer: 'an access token (Bearer or DPoP)',
  operator: 'a client of the ASPSP, by an access token or by Basic',
  device: 'a device, by a proof of its key',
  psu: 'a PSU, by user name and password',
  'registration token': 'the registration access token',
};

/** The same that `/openapi.json` says, for people: plain HTML under the policy of every page. */
export const docsPage = (routes: readonly Route[]): Reply =>
  page(200, {
    title: 'Countersign API',
    body: html`<h1>Countersign API</h1>
<p class="quiet">The same as an OpenAPI 3.1 document: <a href="/openapi.json">/openapi.json</a></p>
${documented(routes).map(section)}`,
  });

const section = ({ method, path, doc }: Route & { doc: RouteDoc }): Html => {
  const headers = headersOf(doc);
  const as = doc.refusal?.type === undefined ? '' : ` (${doc.refusal.type})`;
  return html`<section>
<h2>${method} ${path}</h2>
<p>${doc.summary}</p>
<dl>
<dt>Called by</dt><dd>${CALLER[doc.security]}</dd>
${[
  headers ? schema('Headers', jsonSchema(headers, 'input')) : null,
  doc.query ? schema('Query', jsonSchema(doc.query, 'input')) : null,
  doc.form ? schema('Form', jsonSchema(doc.form, 'input')) : null,
  doc.json ? schema('JSON body', jsonSchema(doc.json, 'input')) : null,
  ...Object.entries(doc.answers).map(([status, body]) => answer(status, body)),
  ...refusalsOf(doc).map(({ status, error }) => html`<dt>${status}</dt><dd>${error}${as}</dd>\n`),
  doc.refusal?.schema ? schema('Body of a refusal', jsonSchema(doc.refusal.schema, 'output')) : null,
]}</dl>
</section>
`;
};

const answer = (status: string, body: RouteDoc['answers'][number]): Html =>
  body !== null && body !== undefined && isSchema(body)
    ? schema(status, jsonSchema(body, 'output'))
    : html`<dt>${status}</dt><dd>${body === null || body === undefined ? 'no body' : [body].flat().join(' or ')}</dd>\n`;

const schema = (name: string, described: object): Html =>
  html`<dt>${name}</dt><dd><details><summary>schema</summary><pre>${lines(JSON.stringify(described, null, 2))}</pre></details></dd>\n`;

// A line break in text would be shown as a disguise: each line is a text of its own.
const lines = (text: string): Html[] => text.split('\n').map((line) => html`${line}\n`);
