import { hash, randomBytes, randomUUID } from 'node:crypto';
import type { Clock, Ids } from '../domain/ports/clock.ts';

/** The system's time. */
export const systemClock: Clock = () => Math.floor(Date.now() / 1000);

/** Identifiers from the system's randomness. A derived one is a UUID of version 8 (RFC 9562) over SHA-256. */
export const systemIds: Ids = {
  secret: () => randomBytes(32).toString('base64url'),
  uuid: randomUUID,
  derived: (seed) => {
    const hex = hash('sha256', seed);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
  },
  hash: (text) => hash('sha256', text, 'base64url'),
};
