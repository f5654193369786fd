import { hash } from 'node:crypto';
import type { Clock, Ids } from '../domain/ports/clock.ts';
import { randomBytesFromPool } from './random.ts';

/** The system's time. */
export const systemClock: Clock = () => Math.floor(Date.now() / 1000);

/** Identifiers from the system's randomness: UUIDs of version 7, and of version 8 over SHA-256 where they are derived (RFC 9562). */
export const systemIds: Ids = {
  secret: () => randomBytesFromPool(32).toString('base64url'),
  orderedSecret: () => Date.now().toString(36) + randomBytesFromPool(32).toString('base64url'),
  uuid: () => {
    const time = Date.now().toString(16).padStart(12, '0');
    const hex = randomBytesFromPool(10).toString('hex');
    const variant = '89ab'[Number.parseInt(hex.slice(18, 19), 16) & 3];
    return `${time.slice(0, 8)}-${time.slice(8)}-7${hex.slice(0, 3)}-${variant}${hex.slice(3, 6)}-${hex.slice(6, 18)}`;
  },
  derived: (seed) => {
    const hex = hash('sha256', seed);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
  },
  hash: (text) => hash('sha256', text, 'base64url'),
};
