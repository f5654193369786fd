import * as z from 'zod';
import { defineEvents, type FactOf, versioned } from '../events.ts';

/** A public device key: P-256 for ES256, or Ed25519 for EdDSA. */
export const devicePublicKey = z.discriminatedUnion('kty', [
  z.strictObject({ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string().length(43), y: z.string().length(43) }),
  z.strictObject({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string().length(43) }),
]);
/** The key of a phone of the reference, for RS256: at most 4096 bits. */
const rsaPublicKey = z.strictObject({ kty: z.literal('RSA'), n: z.string().min(1).max(683), e: z.string().min(1).max(43) });
const anyPublicKey = z.discriminatedUnion('kty', [...devicePublicKey.options, rsaPublicKey]);
export type DevicePublicKey = z.output<typeof anyPublicKey>;

/** What a device speaks: our own API, or the reference's, older (`push-auth`) or newer (`push`). */
export const DIALECTS = ['countersign', 'push-auth', 'push'] as const;
export type Dialect = (typeof DIALECTS)[number];
/** What phones of the reference speak. */
export type PhoneDialect = Exclude<Dialect, 'countersign'>;

const offered = z.strictObject({ psuId: z.string(), challengeHash: z.string(), at: z.int(), expiresAt: z.int() });
/** The challenge itself, where the device signs it and does not send it. */
const challenge = z.strictObject({ challenge: z.string() });
const registered = z.strictObject({
  psuId: z.string(),
  publicKey: devicePublicKey,
  keyThumbprint: z.string(),
  /** Whether the sealed part names a push token: without one the device is never woken, and still lists and answers. */
  hasPushToken: z.boolean(),
  at: z.int(),
});
const registeredV2 = registered.extend({ publicKey: anyPublicKey, dialect: z.enum(DIALECTS) });
const described = z.strictObject({ name: z.string(), model: z.string(), pushToken: z.string().nullable() });

/** What happens to one device of a PSU, from the offer to enrol it. Its pushes have streams of their own: this one stays short. */
export const deviceEvents = defineEvents(
  { category: 'device', retention: 'device' },
  {
    DeviceEnrolmentOffered: versioned(offered).nextWithPersonal(offered, (v1) => v1, challenge),
    DeviceRegistered: versioned(registered, described).next(registeredV2, (v1) => ({ ...v1, dialect: 'countersign' as const })),
    DeviceRenamed: versioned(z.strictObject({ psuId: z.string(), at: z.int() }), z.strictObject({ name: z.string() })),
    DevicePushTokenReplaced: versioned(z.strictObject({ psuId: z.string(), at: z.int() }), z.strictObject({ pushToken: z.string() })),
    DevicePushTokenDied: versioned(z.strictObject({ psuId: z.string(), tokenRevision: z.int(), at: z.int() })),
    DeviceRevoked: versioned(z.strictObject({ psuId: z.string(), by: z.enum(['psu', 'device', 'operator']), at: z.int() })),
  },
);
export type DeviceEvents = typeof deviceEvents;
export type DeviceFact = FactOf<DeviceEvents>;
