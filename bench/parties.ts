import { generateKeyPairSync, type JsonWebKey, type KeyObject } from 'node:crypto';
import type * as z from 'zod';
import { systemClock, systemIds } from '../src/adapters/clock.ts';
import { jwsReader } from '../src/adapters/jose/jws-reader.ts';
import { client, register } from '../src/domain/client/decider.ts';
import { clientMetadata } from '../src/domain/client/metadata.ts';
import type { Command, Decide } from '../src/domain/decide.ts';
import { device, offer, register as registerDevice } from '../src/domain/device/decider.ts';
import type { DevicePublicKey, Dialect } from '../src/domain/device/events.ts';
import type { Actor } from '../src/domain/ports/event-store.ts';
import { fillWith, userOf } from './filling.ts';
import type { Target } from './target.ts';

// As many as keep a hundred thousand pending requests within what one PSU is allowed by default.
const USERS = 5000;
/** The names of all users. */
export const users: readonly string[] = Array.from({ length: USERS }, (_, n) => userOf(n));

/** What the approval module needs of each user's phone. */
export interface BenchPhone {
  deviceId: string;
  jwk: JsonWebKey;
}

/** Where our engine is called, what it is asked for, and how its PSUs answer. */
export const ourTarget = {
  paths: { ciba: '/oauth2/ciba', token: '/oauth2/token', introspection: '/oauth2/introspect' },
  requests: users.map((user, n) => ({ scope: 'openid accounts', login_hint: user, binding_message: `Payment ${n}` })),
  approval: './ours-approval.ts',
} satisfies Partial<Target>;

/** What may be outstanding: of one client, more than ever is. */
export const OUTSTANDING_LIMITS = { pendingRequestsPerClient: 10_000_000, pendingRequestsPerPsu: 1000 };

/** Of the operator, or of whoever else acts. */
export const command = (correlationId: string, actor: Actor = { kind: 'operator', id: 'bench' }): Command => ({
  id: systemIds.uuid(),
  actor,
  correlationId,
  causationId: null,
});

/** What the metadata of every client begin with. */
const PLAIN = {
  client_name: 'TPP',
  profile: 'plain' as const,
  scope: 'openid accounts',
  tls_client_certificate_bound_access_tokens: false,
};

/** What a client states besides. */
export type Metadata = Omit<z.input<typeof clientMetadata>, 'client_name'>;

/** Registers a client: one with a secret, or one whose keys are in its metadata. */
export const registerClient = (
  decide: Decide,
  { clientId, clientSecret }: { clientId: string; clientSecret?: string },
  metadata: Metadata,
  at = systemClock(),
) => {
  const secretHash = clientSecret === undefined ? null : systemIds.hash(clientSecret);
  return decide(client, clientId, register(clientMetadata.parse({ ...PLAIN, ...metadata }), secretHash, at), command(clientId));
};

/** A user's phone, with a key of its own. */
export interface Phone {
  deviceId: string;
  psuId: string;
  publicKey: DevicePublicKey;
  keyThumbprint: string;
  privateKey: KeyObject;
}

/** A phone that is not registered yet. */
export const newPhone = (psuId: string): Phone => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = publicKey.export({ format: 'jwk' }) as { kty: 'EC'; crv: 'P-256'; x: string; y: string };
  return { deviceId: systemIds.uuid(), psuId, publicKey: jwk, keyThumbprint: jwsReader.publicKey(jwk).thumbprint, privateKey };
};

/** Registers a phone without the ceremony of enrolment. */
export const enrol = async (
  decide: Decide,
  { deviceId, psuId, publicKey, keyThumbprint }: Phone,
  { at, pushToken, dialect = 'countersign' }: { at: number; pushToken: string | null; dialect?: Dialect },
): Promise<void> => {
  await decide(device, deviceId, offer({ psuId, challengeHash: 'c', at, expiresAt: at + 60 }), command(deviceId));
  const stated = { challengeHash: 'c', publicKey, keyThumbprint, dialect, name: 'Phone', model: 'Bench', pushToken, at };
  const registration = registerDevice(stated, () => null);
  await decide(device, deviceId, registration, command(deviceId));
};

/** A new phone of a user. */
export const registerPhone = async (decide: Decide, psuId: string, dialect: Dialect = 'countersign'): Promise<BenchPhone> => {
  const phone = newPhone(psuId);
  await enrol(decide, phone, { at: systemClock(), pushToken: null, dialect });
  return { deviceId: phone.deviceId, jwk: phone.privateKey.export({ format: 'jwk' }) };
};

/** The phones of all users. */
export const registerPhones = async (decide: Decide): Promise<Readonly<Record<string, BenchPhone>>> => {
  const phones: Record<string, BenchPhone> = {};
  await fillWith(USERS, async (n) => {
    phones[userOf(n)] = await registerPhone(decide, userOf(n));
  });
  return phones;
};
