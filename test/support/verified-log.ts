import { generateKeyPairSync } from 'node:crypto';
import { expect } from '@jest/globals';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import type { Sealer } from '../../src/domain/ports/sealer.ts';
import { checkpointText } from '../../src/evidence/checkpoint.ts';
import { leafHash, leafOf } from '../../src/evidence/leaf.ts';
import { signNote } from '../../src/evidence/note.ts';
import { logSigner } from '../../src/evidence/note-key.ts';
import { growing } from '../../src/evidence/tree.ts';
import { makeVerification } from '../../src/evidence/verify.ts';

const signer = logSigner('log.test/consents', generateKeyPairSync('ed25519').privateKey);

/** The verifier finds nothing in a log from its first fact on; with a sealer that has every key, what is sealed is verified, too. */
export const expectNoDoubt = (log: readonly StoredEvent[], sealer: Pick<Sealer, 'open'> | null): void => {
  const tree = growing();
  for (const event of log) tree.append(leafHash(leafOf(event)));
  const note = signNote(checkpointText({ origin: signer.verifierKey.name, size: tree.size, root: tree.root() }), [signer]);
  const { fact, report } = makeVerification({
    ...{ extent: 'whole', key: signer.verifierKey.text, witnesses: [], quorum: 0, growing: false },
    ...{ own: [{ note, from: 'the log' }], kept: [], hasAllKeys: sealer !== null },
    open: sealer && ((part) => sealer.open(part)),
  });
  for (const [index, event] of log.entries()) fact({ index, event });
  expect(report()).toMatchObject({ doubts: [], facts: log.length, uncovered: 0 });
};
