import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { issueServerCertificate, makeAuthority } from '../../src/adapters/tls/certificates.ts';

// Stands in for KurrentDB's own tool, with its commands, its options and the names of its files.

const now = Math.floor(Date.now() / 1000);
const validity = { notBefore: now - 60, notAfter: now + 86_400 };
const option = { type: 'string', default: '' } as const;
const [command, ...args] = process.argv.slice(2);
const { values } = parseArgs({
  args: args.map((arg) => arg.replace(/^-(?=\w)/, '--')),
  options: { out: option, 'ca-certificate': option, 'ca-key': option, 'dns-names': option },
});

const write = (name: string, { certificate, key }: { certificate: string; key: string }): void => {
  mkdirSync(values.out, { recursive: true });
  writeFileSync(join(values.out, `${name}.crt`), certificate, { flag: 'wx' });
  writeFileSync(join(values.out, `${name}.key`), key, { flag: 'wx', mode: 0o600 });
};

if (command === 'create-ca') write('ca', await makeAuthority('A CA', validity));
else {
  const authority = { certificate: readFileSync(values['ca-certificate'], 'utf8'), key: readFileSync(values['ca-key'], 'utf8') };
  const names = values['dns-names'].split(',').map((value) => ({ type: 'dns' as const, value }));
  write('node', await issueServerCertificate(authority, names, validity));
}
