import type { JsonWebKey } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

interface SandboxKey {
  deviceId: string;
  privateJwk: JsonWebKey;
}

/** The keys of the sandbox devices, one of each PSU, in a file that only its owner may read. */
export const sandboxKeyFile = (file: string) => {
  const keys = new Map<string, SandboxKey>(existsSync(file) ? Object.entries(JSON.parse(readFileSync(file, 'utf8'))) : []);
  return {
    get: (psuId: string): SandboxKey | undefined => keys.get(psuId),
    put(psuId: string, key: SandboxKey): void {
      keys.set(psuId, key);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(`${file}.new`, `${JSON.stringify(Object.fromEntries(keys), null, 2)}\n`, { mode: 0o600 });
      renameSync(`${file}.new`, file);
    },
  };
};
