import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { OAuthError } from '../../src/domain/oauth-error.ts';

const SRC = join(import.meta.dirname, '../../src');
const sources = globSync('**/*.ts', { cwd: SRC }).map((file) => ({ file, text: readFileSync(join(SRC, file), 'utf8') }));
const found = (pattern: RegExp) => sources.flatMap(({ file, text }) => [...text.matchAll(pattern)].map((match) => ({ file, match })));

// RFC 6749, section 5.2: printable ASCII without the quote and the backslash.
const TELLABLE = /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/;
// new OAuthError('code', …), and refuse(…), which is a name for one whose code is always the same.
const LITERAL = /(?:new OAuthError\(\s*'\w+',\s*|\brefuse\(\s*)(?:'(?<plain>[^']*)'|`(?<template>[^`]*)`)/g;
const OTHER = /new OAuthError\(\s*'\w+',\s*(?<message>[^'`\s].*)/g;

describe('what a refusal says', () => {
  const messages = found(LITERAL).map(
    ({ match: { groups } }) => groups?.['plain'] ?? groups?.['template']?.replaceAll(/\$\{[^}]*\}/g, 'x') ?? '',
  );

  test('is found in the sources', () => {
    expect(messages.length).toBeGreaterThan(80);
    expect(messages).toContain('auth_req_id has expired');
    expect(messages).toContain('the request was already x');
  });
  test('can stand in error_description', () => expect(messages.filter((message) => !TELLABLE.test(message))).toEqual([]));
  test('is written where it is thrown, or made printable there', () => {
    const others = found(OTHER).map(({ file, match: { groups } }) => `${file}: ${groups?.['message']}`);
    expect(others.filter((other) => !/: (reason\)|printable\()/.test(other))).toEqual([]);
  });
});

describe('a refusal', () => {
  test('has its code, its description and its cause', () => {
    const cause = new Error('why');
    const refusal = new OAuthError('invalid_grant', 'no', { cause });
    expect(refusal).toBeInstanceOf(Error);
    expect(refusal).toMatchObject({ name: 'OAuthError', error: 'invalid_grant', message: 'no', cause });
  });
  test('has no stack, and leaves it to every other error', () => {
    const before = Error.stackTraceLimit;
    expect(new OAuthError('invalid_grant', 'no').stack).not.toMatch(/\n\s+at /);
    expect(Error.stackTraceLimit).toBe(before);
    expect(new Error('a fault').stack).toMatch(/\n\s+at /);
  });
});
