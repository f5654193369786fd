import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { consentPage } from '../../../src/api/pages/consent-page.ts';
import { errorPage } from '../../../src/api/pages/error-page.ts';
import { visible } from '../../../src/api/pages/html.ts';
import { loginPage } from '../../../src/api/pages/login-page.ts';
import { type Element, elementsOf, skeletonOf } from './markup.ts';
import { ATTACKS, consent, DISGUISES, hostile, login, pagesWith } from './samples.ts';

const PAGES = [
  ['login', loginPage({ ...login, error: null })],
  ['login, tried before', loginPage(login)],
  ['consent', consentPage({ ...consent, error: null })],
  ['consent, tried before', consentPage(consent)],
  ['consent to a bare scope', consentPage({ ...consent, consent: null, accounts: [], details: [], context: [], error: null })],
  ['error', errorPage(400, 'The application asked for something that it may not ask for.')],
] as const;

const policyOf = (headers: Readonly<Record<string, string>>): ReadonlyMap<string, string> =>
  new Map(
    (headers['Content-Security-Policy'] ?? '').split('; ').map((directive): [string, string] => {
      const [name = '', ...sources] = directive.split(' ');
      return [name, sources.join(' ')];
    }),
  );

describe.each(PAGES)('the %s page', (_name, { headers, body }) => {
  const elements = elementsOf(body);
  const all = (...names: readonly string[]): readonly Element[] => elements.filter(({ name }) => names.includes(name));

  test('comes with every header that keeps it to itself', () => {
    expect(headers).toEqual({
      'Content-Type': 'text/html; charset=utf-8',
      'Cache-Control': 'no-store',
      'Content-Security-Policy': expect.any(String),
      'X-Content-Type-Options': 'nosniff',
      'X-Frame-Options': 'DENY',
      'Referrer-Policy': 'no-referrer',
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Permissions-Policy': expect.stringMatching(/^[a-z-]+=\(\)(, [a-z-]+=\(\))*$/),
    });
  });

  test('allows its one style sheet, its own form, and nothing else', () => {
    const [style, ...others] = all('style');
    expect(others).toEqual([]);
    const source = body.slice(body.indexOf('<style>') + '<style>'.length, body.indexOf('</style>'));
    expect(style?.text).toBe(source);
    const hash = createHash('sha256').update(source).digest('base64');
    expect([...policyOf(headers)]).toEqual([
      ['default-src', "'none'"],
      ['style-src', `'sha256-${hash}'`],
      ['form-action', all('form').length === 0 ? "'none'" : "'self' https://tpp.example"],
      ['base-uri', "'none'"],
      ['frame-ancestors', "'none'"],
    ]);
  });

  test('begins as HTML in English, with one title, one heading and one main part', () => {
    expect(body).toMatch(/^<!doctype html>\n<html lang="en" dir="ltr">\n<head>\n<meta charset="utf-8">\n/);
    expect(['title', 'h1', 'main'].map((name) => all(name).length)).toEqual([1, 1, 1]);
    expect(all('title')[0]?.text).not.toBe('');
    expect(all('meta').map(({ attributes }) => attributes.get('name'))).toContain('viewport');
  });

  test('runs nothing and loads nothing', () => {
    const known = 'html head meta title style body main h1 h2 p form label input button div ul li dl dt dd time fieldset legend strong bdi';
    expect(elements.map(({ name }) => name).filter((name) => !known.split(' ').includes(name))).toEqual([]);
    const attributes = elements.flatMap((element) => [...element.attributes.keys()]);
    expect(attributes.filter((name) => /^(on.*|style|href|src|srcset|formaction|target|http-equiv|ping|manifest)$/.test(name))).toEqual([]);
    expect(body).not.toMatch(/\b[a-z]+:\/\/|url\(|@import/i);
  });

  test('labels every input that a person sees, and describes it only by what is there', () => {
    const ids = elements.flatMap(({ attributes }) => attributes.get('id') ?? []);
    expect(new Set(ids).size).toBe(ids.length);
    const labelled = new Set(all('label').map(({ attributes }) => attributes.get('for')));
    const bare = all('input').filter(
      ({ attributes, within }) =>
        attributes.get('type') !== 'hidden' && !within.includes('label') && !labelled.has(attributes.get('id') ?? 'none'),
    );
    expect(bare).toEqual([]);
    for (const label of all('label')) expect(label.text.trim()).not.toBe('');
    for (const name of elements.flatMap(({ attributes }) => [...['for', 'aria-describedby'].flatMap((by) => attributes.get(by) ?? [])]))
      expect(ids).toContain(name);
  });

  test('focuses at most one thing, and tells of an error in its title too', () => {
    expect(elements.filter(({ attributes }) => attributes.has('autofocus')).length).toBeLessThanOrEqual(1);
    const errors = elements.filter(({ attributes }) => attributes.get('class') === 'error');
    for (const { attributes } of errors) expect(attributes.get('role')).toBe('alert');
    expect(all('title')[0]?.text.startsWith('Error: ')).toBe(errors.length > 0);
  });

  test('posts its form to the engine, with a button for each answer', () => {
    for (const { attributes } of all('form'))
      expect([attributes.get('method'), attributes.get('action')]).toEqual(['post', '/oauth2/authorize']);
    for (const { attributes } of all('button')) expect(attributes.get('type')).toBe('submit');
    for (const { within } of all('input', 'button')) expect(within).toContain('form');
  });
});

describe('the pages', () => {
  const plain = pagesWith('plain').map(({ body }) => skeletonOf(body));
  const skeletons = (text: string) => pagesWith(text).map(({ body }) => skeletonOf(body));

  test.each(ATTACKS)('stay what they are with %j in every place', (text) => {
    expect(skeletons(text)).toEqual(plain);
    for (const { body } of pagesWith(text)) expect(elementsOf(body)[0]?.text).toContain(visible(text));
  });
  test.each(DISGUISES)('show %j as %j in every place', (text, shown) => {
    for (const { body } of pagesWith(text)) {
      expect(body).not.toMatch(/[[\p{Cc}\p{Bidi_Control}]--\n]/v);
      expect(body).not.toContain(text);
      expect(elementsOf(body)[0]?.text).toContain(shown);
    }
  });
  test('stay what they are with any text in every place', () => {
    fc.assert(
      fc.property(
        hostile.filter((text) => text !== ''),
        (text) => expect(skeletons(text)).toEqual(plain),
      ),
      { numRuns: 60 },
    );
  });
  test('have the same headers whatever is in them', () => {
    const headers = (text: string) => pagesWith(text).map((reply) => reply.headers);
    for (const text of ATTACKS) expect(headers(text)).toEqual(headers('plain'));
  });

  test('are made of templates whose values stand in a text or in double quotes', () => {
    const folder = new URL('../../../src/api/pages/', import.meta.url);
    const sources = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), 'utf8'));
    expect(sources.length).toBeGreaterThan(5);
    for (const source of sources) expect(source).not.toMatch(/=\s*\$\{|='\$\{/);
  });
});

describe('the targets of a form', () => {
  const formAction = (...formTargets: readonly string[]) => policyOf(loginPage({ ...login, formTargets }).headers).get('form-action');

  test.each([
    ['https://tpp.example/cb', "'self' https://tpp.example"],
    ['https://tpp.example:8443/cb?x=1#y', "'self' https://tpp.example:8443"],
    ['https://user:pass@tpp.example/cb', "'self' https://tpp.example"],
    ['HTTPS://TPP.Example:443/', "'self' https://tpp.example"],
    ['https://bücher.example/cb', "'self' https://xn--bcher-kva.example"],
    ['http://127.0.0.1:51004/cb', "'self' http://127.0.0.1:51004"],
    ['http://[::1]:51004/cb', "'self' http:"],
    ['com.example.app:/cb', "'self' com.example.app:"],
    ["https://tpp.example/; script-src 'unsafe-inline'", "'self' https://tpp.example"],
    ['https://tpp;sandbox/', "'self' https:"],
    ['https://a,b/', "'self' https:"],
    ["https://'none'/", "'self' https:"],
    ['https://*/', "'self' https:"],
    ['https://*.example/', "'self' https:"],
  ])('%s becomes %s', (target, sources) => expect(formAction(target)).toBe(sources));

  test('are each named once', () =>
    expect(formAction('https://a.example/1', 'https://a.example/2', 'https://b.example/')).toBe(
      "'self' https://a.example https://b.example",
    ));
  test('may be none', () => expect(formAction()).toBe("'self'"));
});
