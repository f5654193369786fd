import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { filePsuDirectory } from '../../../src/adapters/psu-directory/file.ts';
import { temporaryFolder } from '../../support/served.ts';

const account = { account_id: 'a-1', display_name: 'Current account' };
const fileWith = (accounts: object[]): string => {
  const file = join(temporaryFolder(), 'psus.json');
  writeFileSync(file, JSON.stringify({ psus: [{ psu_id: 'psu-1', username: 'alice', password_hash: '', accounts }] }));
  return file;
};

test('a file of PSUs gives the accounts of each, and is none that names one of them twice', async () => {
  const directory = await filePsuDirectory(fileWith([account]));
  expect(await directory.accounts('psu-1')).toEqual([{ accountId: 'a-1', displayName: 'Current account' }]);
  await expect(filePsuDirectory(fileWith([account, { ...account, display_name: 'Savings' }]))).rejects.toThrow(
    'expected each account once',
  );
});
