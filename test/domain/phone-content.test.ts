import { expect, test } from '@jest/globals';
import { bytesOf, MOST_BYTES, phoneContent, type Telling } from '../../src/domain/push/phone-content.ts';

const short: Telling = {
  ...{ deviceId: 'd'.repeat(36), sessionDataKey: 's'.repeat(36), challenge: 'c'.repeat(36), tenantDomain: 'carbon.super' },
  name: { username: 'alice', givenName: 'Alice', familyName: null },
  client: { name: 'Sample TPP', url: 'https://tpp.example/' },
  consentData: [{ title: 'Permissions', data: ['ReadBalances'] }],
  accounts: [{ account_id: '1', display_name: 'Savings' }],
  type: 'accounts',
  bindingMessage: 'W4SCT',
};
// As long as settings, registrations and directories let each of them be, in characters of three or four bytes.
const longest: Telling = {
  ...short,
  ...{ deviceId: 'd'.repeat(255), tenantDomain: 't'.repeat(255), type: '\u{1F600}'.repeat(128), bindingMessage: '\u4e00'.repeat(64) },
  name: { username: '\u{1F600}'.repeat(128), givenName: '\u4e00'.repeat(256), familyName: '\u4e00'.repeat(256) },
  client: { name: '\u{1F600}'.repeat(256), url: `https://tpp.example/${'p'.repeat(2028)}` },
};

test.each(['push-auth', 'push'] as const)('what is told fits into a push, whatever is long (%s)', (dialect) => {
  const { content, whole } = phoneContent(dialect, longest);
  expect([whole, bytesOf(content) <= MOST_BYTES]).toEqual([false, true]);
  expect(content.data['applicationUrl']).toBeUndefined();
  expect(JSON.parse(content.data['metadata'] ?? '')).toMatchObject({
    ...{ consentData: [], accounts: [], isError: expect.any(String) },
    ...{ application: `${'\u{1F600}'.repeat(60)}…`, binding_message: longest.bindingMessage },
  });
});

test.each(['push-auth', 'push'] as const)('what fits is told whole, up to the last byte (%s)', (dialect) => {
  const { content } = phoneContent(dialect, short);
  expect(phoneContent(dialect, short, bytesOf(content))).toEqual({ content, whole: true });
  expect(phoneContent(dialect, short, bytesOf(content) - 1).whole).toBe(false);
});
