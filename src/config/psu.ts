import { z } from 'zod';
import { optionalFile } from './kinds.ts';

/** Where the PSUs are known. */
export const psuSettings = z.strictObject({
  directoryFile: optionalFile.describe('The file that names the PSUs and their accounts; development has a sandbox.'),
  directoryUrl: z
    .string()
    .refine((value) => URL.canParse(value) && !/[?#]/.test(value), 'expected a URL without query or fragment')
    .nullable()
    .default(null)
    .describe('The URL of the directory that knows the PSUs and their accounts, instead of the file.'),
  directorySecretFile: optionalFile.describe('The file of the bearer token that the directory asks for.'),
});

/** What is wrong with settings that are each right. */
export const wrongPsu = ({ directoryFile, directoryUrl, directorySecretFile }: z.infer<typeof psuSettings>): (string | false)[] => [
  directoryUrl !== null && directoryFile !== null && 'psu.directory_file and psu.directory_url: expected one',
  directoryUrl === null && directorySecretFile !== null && 'psu.directory_secret_file: expected psu.directory_url with it',
];
