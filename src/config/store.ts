import { z } from 'zod';
import { count, optional, optionalFile } from './kinds.ts';

/** Where the log is kept. */
export const storeSettings = z.strictObject({
  kind: z
    .enum(['sqlite', 'kurrentdb'])
    .default('sqlite')
    .describe('Where the log is kept: in a file of this machine, or in a KurrentDB cluster that many nodes share.'),
  kurrentdb: z.strictObject({
    connectionStringFile: optionalFile.describe('The file of the connection string: kurrentdb://user:password@host:port,…?tls=true.'),
    caFile: optionalFile.describe(
      'A PEM file of the authorities that the certificates of the cluster are trusted by, instead of the usual ones.',
    ),
    username: optional.describe('The user of the cluster, instead of the one in the connection string.'),
    passwordFile: optionalFile.describe('The file of that user’s password.'),
    deadlineMs: count.default(3000).describe('The milliseconds that one attempt of a call to the cluster may take; there are about four.'),
    maxInFlight: count
      .default(512)
      .describe('The calls to the cluster that may be under way at once; as many wait before requests are refused.'),
  }),
});

/** What is wrong with settings that are each right. */
export const wrongStore = ({ kind, kurrentdb }: z.infer<typeof storeSettings>, { workers }: { workers: number }): (string | false)[] => [
  kind === 'kurrentdb' &&
    kurrentdb.connectionStringFile === null &&
    'store.kurrentdb.connection_string_file: required with store.kind = "kurrentdb"',
  kind === 'kurrentdb' && workers > 1 && 'server.workers: expected 1 with store.kind = "kurrentdb": start another node instead',
  (kurrentdb.username === null) !== (kurrentdb.passwordFile === null) &&
    'store.kurrentdb.username and store.kurrentdb.password_file: expected both or neither',
];
