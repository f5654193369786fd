import type { JsonWebKey } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

interface SandboxKey {
  deviceId: string;
  privateJwk: JsonWebKey;
}

/**
 * The keys of the sandbox devices, one of each PSU, in a file that only its owner may read. It is read again each time: several processes
 * may have it.
 */
export const sandboxKeyFile = (file: string) => {
  const read = () => new Map<string, SandboxKey>(existsSync(file) ? Object.entries(JSON.parse(readFileSync(file, 'utf8'))) : []);
  return {
    get: (psuId: string): SandboxKey | undefined => read().get(psuId),
    put(psuId: string, key: SandboxKey): void {
      const keys = Object.fromEntries(read().set(psuId, key));
      const written = `${file}.${process.pid}`;
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(written, `${JSON.stringify(keys, null, 2)}\n`, { mode: 0o600 });
      renameSync(written, file);
    },
  };
};
