import type { KeyObject } from 'node:crypto';
import type { Sealed, SealedFor } from '../../domain/ports/sealer.ts';
import { KeyErased } from '../../domain/psu/key-erased.ts';
import { isMonthly, monthOf, ONLY_KEY } from '../../domain/psu/retention.ts';
import { readSealedText } from '../../evidence/sealed-text.ts';
import { eventKeyOf, openWith, openWithOnlyKey, type PsuKey, sealWith, unwrapped } from './psu-key.ts';

/** The names of the keys that a PSU has had, with the text that is kept of each: null for one that was destroyed. */
export type WrappedKeys = ReadonlyMap<string, string | null>;

/** The keys of one PSU, each unwrapped when it is first used. */
export interface Keyring {
  wrapped: WrappedKeys;
  /** The key that seals for this now: one that is there, was destroyed, or is still to be made. */
  nameFor(subject: SealedFor): string;
  /** Whether that key is there; throws when it was wrapped under another master key. */
  isReady(subject: SealedFor): boolean;
  /** Throws `KeyErased` where the key was destroyed, or is still to be made. */
  seal(name: string, plaintext: string, context: string): string;
  /** Null where the key was destroyed. */
  open(sealed: Sealed): string | null;
  eventKey(sealed: Sealed): string | null;
  /** The same without these keys. */
  without(names: readonly string[]): Keyring;
}

/** The keyring of a PSU. */
export const keyringOf = (master: KeyObject, psuId: string, wrapped: WrappedKeys): Keyring => {
  const keys = new Map<string, PsuKey>();
  const find = (name: string): PsuKey | null => {
    const known = keys.get(name);
    if (known !== undefined) return known;
    const text = wrapped.get(name) ?? null;
    if (text === null) return null;
    const key = unwrapped(master, psuId, name, text);
    keys.set(name, key);
    return key;
  };

  const nameFor = ({ retention, at }: SealedFor): string => {
    if (isMonthly(retention)) return `${retention}.${monthOf(at)}`;
    // What comes after all of it has expired has the next one.
    let name = `${retention}.-`;
    for (let next = 2; wrapped.get(name) === null; next += 1) name = `${retention}.${next}`;
    return name;
  };

  return {
    wrapped,
    nameFor,
    isReady: (subject) => find(nameFor(subject)) !== null,
    seal(name, plaintext, context) {
      const key = find(name);
      if (key === null) throw new KeyErased();
      return sealWith(key, name, plaintext, context);
    },
    open({ text, context }) {
      const sealed = readSealedText(text);
      const key = find(sealed?.name ?? ONLY_KEY);
      if (key === null) return null;
      return sealed === null ? openWithOnlyKey(key, text, context) : openWith(key, sealed, context);
    },
    eventKey({ text, context }) {
      const sealed = readSealedText(text);
      const key = sealed && find(sealed.name);
      return key && eventKeyOf(key, context).toString('base64url');
    },
    without: (names) => keyringOf(master, psuId, new Map([...wrapped, ...names.map((name) => [name, null] as const)])),
  };
};
