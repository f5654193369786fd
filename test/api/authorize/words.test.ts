import { expect, test } from '@jest/globals';
import { wordsForPermission, wordsForScope } from '../../../src/api/pages/plain-words.ts';
import { SCOPES } from '../../../src/domain/client/metadata.ts';
import { PERMISSIONS } from '../../../src/domain/consent/permissions.ts';

test.each(PERMISSIONS)('a person can read what %s means', (permission) => {
  expect(wordsForPermission(permission)).toMatch(/^See \w+/);
});

test.each(SCOPES)('a person can read what the scope %s means', (scope) => {
  expect(wordsForScope(scope)).toMatch(/^[A-Z]\w+ /);
});
