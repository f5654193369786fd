import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { type TestEngine, testEngine } from '../support/engine.ts';

let tested: TestEngine;
beforeAll(async () => {
  tested = await testEngine();
});
afterAll(() => tested.close());

// What a person or a program reads about the API, and the pages of a browser, which people see.
const NO_CALL = /^\/(openapi\.json|docs|oauth2\/authorize.*)$/;

describe('the OpenAPI document', () => {
  test('is valid', async () => {
    const document = await (await fetch(`${tested.url}/openapi.json`)).json();
    expect(await new Validator().validate(document as Parameters<Validator['validate']>[0])).toMatchObject({ valid: true });
    expect(document).toMatchObject({ openapi: '3.1.0', servers: [{ url: tested.url }, {}] });
  });

  test('holds every route, with who calls it and what it answers', async () => {
    const { paths } = (await (await fetch(`${tested.url}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, { summary: string; responses: object; operationId: string }>>;
    };
    const ids: string[] = [];
    for (const { method, path } of tested.engine.routes.filter((route) => !NO_CALL.test(route.path))) {
      const operation = paths[path]?.[method.toLowerCase()];
      expect([method, path, operation?.summary]).toEqual([method, path, expect.stringMatching(/\w/)]);
      expect(Object.keys(operation?.responses ?? {})).toContainEqual(expect.stringMatching(/^[23]/));
      ids.push(operation?.operationId ?? '');
    }
    expect(ids).toEqual([...new Set(ids)]);
  });

  test('says the form of a token request and the codes of its refusals', async () => {
    const document = (await (await fetch(`${tested.url}/openapi.json`)).json()) as { paths: Record<string, { post: object }> };
    expect(document.paths['/oauth2/token']?.post).toMatchObject({
      requestBody: { content: { 'application/x-www-form-urlencoded': { schema: { properties: { grant_type: { type: 'string' } } } } } },
      responses: { 200: { content: { 'application/json': {} } }, 400: { description: expect.stringContaining('slow_down') } },
    });
  });
});

test('the page says the same, runs nothing and loads nothing', async () => {
  const response = await fetch(`${tested.url}/docs`);
  const text = await response.text();
  expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/=]+'; form-action 'none'/);
  expect(text).not.toMatch(/<(script|link|img|iframe|object)|\son\w+=|style="|\uFFFD/i);
  for (const { method, path } of tested.engine.routes.filter((route) => !NO_CALL.test(route.path)))
    expect(text).toContain(`<h2>${method} ${path}</h2>`);
});
