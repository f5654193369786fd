import { expect, test } from '@jest/globals';
import { wordsForPermission } from '../../../src/api/pages/plain-words.ts';
import { PERMISSIONS } from '../../../src/api/tpp/consents.ts';

test.each(PERMISSIONS)('a person can read what %s means', (permission) => {
  expect(wordsForPermission(permission)).toMatch(/^See \w+/);
});
