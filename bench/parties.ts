import { generateKeyPairSync, type JsonWebKey } from 'node:crypto';
import { systemClock, systemIds } from '../src/adapters/clock.ts';
import { jwsReader } from '../src/adapters/jose/jws-reader.ts';
import type { Command, Decide } from '../src/domain/decide.ts';
import { device, offer, register as registerDevice } from '../src/domain/device/decider.ts';
import type { Dialect } from '../src/domain/device/events.ts';
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

export const command = (id: string): Command => ({
  id: systemIds.uuid(),
  actor: { kind: 'operator', id: 'bench' },
  correlationId: id,
  causationId: null,
});

/** What the metadata of every client begin with. */
export const plain = {
  client_name: 'TPP',
  profile: 'plain' as const,
  scope: 'openid accounts',
  tls_client_certificate_bound_access_tokens: false,
};

/** A user's phone, registered without the ceremony of enrolment. */
export const registerPhone = async (decide: Decide, psuId: string, dialect: Dialect = 'countersign'): Promise<BenchPhone> => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = publicKey.export({ format: 'jwk' }) as { kty: 'EC'; crv: 'P-256'; x: string; y: string };
  const keyThumbprint = jwsReader.publicKey(jwk).thumbprint;
  const deviceId = systemIds.uuid();
  const at = systemClock();
  await decide(device, deviceId, offer({ psuId, challengeHash: 'c', at, expiresAt: at + 60 }), command(deviceId));
  const described = { name: 'Phone', model: 'Bench', pushToken: null, dialect };
  const registration = { challengeHash: 'c', publicKey: jwk, keyThumbprint, ...described, at };
  await decide(
    device,
    deviceId,
    registerDevice(registration, () => null),
    command(deviceId),
  );
  return { deviceId, jwk: privateKey.export({ format: 'jwk' }) };
};

/** The phones of all users. */
export const registerPhones = async (decide: Decide): Promise<Readonly<Record<string, BenchPhone>>> => {
  const phones: Record<string, BenchPhone> = {};
  await fillWith(USERS, async (n) => {
    phones[userOf(n)] = await registerPhone(decide, userOf(n));
  });
  return phones;
};
