import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import type { Load } from '../../domain/decide.ts';
import { activeDevice, device, type RegisteredDevice } from '../../domain/device/decider.ts';
import type { DevicePublicKey } from '../../domain/device/events.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { DecodedJws, JwsReader, PublicKey } from '../../domain/ports/jws.ts';
import type { Limits } from '../../domain/ports/limits.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import { erasedPsu } from '../../projections/psu-data.ts';
import { hasBody } from '../body.ts';
import type { Reply } from '../reply.ts';
import type { Call, Handler } from '../route.ts';

/** The types of what a device signs: a statement of one kind can never pass for one of another. */
export const STATEMENT = {
  registration: 'device-registration+jwt',
  proof: 'device-proof+jwt',
  answer: 'consent-answer+jwt',
} as const;

/** A device that has proved that it holds its key. */
export interface ProvenDevice {
  deviceId: string;
  psuId: string;
}

const PROOF_SECONDS = 60;
const MAX_KEYS = 10_000;

/** Keys of devices, each imported once. What is no key is none every time. */
export const importedOnce = <Key extends object>(importKey: (publicKey: DevicePublicKey) => Key | null) => {
  const keys = new LRUCache<string, Key>({ max: MAX_KEYS });
  return ({ keyThumbprint, publicKey }: RegisteredDevice): Key | null => {
    const key = keys.get(keyThumbprint) ?? importKey(publicKey);
    if (key !== null) keys.set(keyThumbprint, key);
    return key;
  };
};

const proofClaims = z.object({
  aud: z.string(),
  htm: z.string(),
  htu: z.string(),
  iat: z.number(),
  jti: z.string().min(1).max(256),
  body_digest: z.string().optional(),
});

const times = z.object({ exp: z.number().optional(), nbf: z.number().optional(), iat: z.number().optional() });

/**
 * Whether the times that a statement carries, whatever it must carry, allow it now (RFC 7519, sections 4.1.4 to 4.1.6), where the clock of
 * the device may be so many seconds ahead or behind.
 */
export const timely = (claims: DecodedJws['claims'], at: number, { ahead = PROOF_SECONDS, behind = 0 } = {}): boolean => {
  const { success, data } = times.safeParse(claims);
  return success && (data.exp ?? at + 1) > at - behind && Math.max(data.nbf ?? at, data.iat ?? at) <= at + ahead;
};

/** Statements of registered devices: read on the device's own stream, with the key that stands there. */
export const makeDeviceStatements = ({ load, jws, rows, clock }: { load: Load; jws: JwsReader; rows: Rows; clock: Clock }) => {
  const keyOf = importedOnce((publicKey): PublicKey => jws.publicKey(publicKey));
  /** The claims of a statement of the given type, and the device whose key signed it, if that device may act. */
  return async (text: string, typ: string): Promise<{ claims: DecodedJws['claims']; deviceId: string; registered: RegisteredDevice }> => {
    const decoded = jws.decode(text);
    const deviceId = decoded?.header.kid;
    if (!decoded || !deviceId || decoded.header.typ !== typ)
      throw new OAuthError('invalid_token', `a ${typ} with the kid of a device is needed`);
    const state = await load(device, deviceId);
    const isGone = state.status !== 'absent' && erasedPsu(rows, state.psuId) !== undefined;
    const registered = activeDevice(isGone ? device.initial : state);
    // The key of a phone of the reference is for RS256 and nothing else: one key, one algorithm.
    if (registered.dialect !== 'countersign') throw new OAuthError('invalid_token', 'the device speaks another dialect');
    const key = keyOf(registered);
    if (key === null || !decoded.verify(key))
      throw new OAuthError('invalid_token', 'the signature is not of the key that the device registered');
    if (!timely(decoded.claims, clock())) throw new OAuthError('invalid_token', 'the statement is not valid at this time');
    return { claims: decoded.claims, deviceId, registered };
  };
};
export type DeviceStatements = ReturnType<typeof makeDeviceStatements>;

/** Answers the calls of devices that have proved that they hold their key. */
export type Proven = (handle: (call: Call, device: ProvenDevice) => Promise<Reply>) => Handler;

/**
 * Proof of possession on every call: `Authorization: DeviceProof <JWS>` over audience, method, path, time, a `jti` used once and the
 * SHA-256 of the body (`body_digest`) where there is one.
 */
export const makeProven = (deps: { statements: DeviceStatements; limits: Limits; clock: Clock; ids: Ids; issuer: string }): Proven => {
  const { statements, limits, clock, ids, issuer } = deps;
  const refuse = (reason: string) => new OAuthError('invalid_token', reason);

  const prove = async ({ method, target, headers, text }: Call): Promise<ProvenDevice> => {
    const [, proof] = /^deviceproof +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
    if (proof === undefined) throw refuse('the proof of the device key is missing');
    const { claims: given, deviceId, registered } = await statements(proof, STATEMENT.proof);
    const { success, data: claims } = proofClaims.safeParse(given);
    if (!success) throw refuse('the proof must hold aud, htm, htu, iat and jti');
    if (claims.aud !== issuer || claims.htm !== method || claims.htu !== target) throw refuse('the proof is for another call');
    if (hasBody(headers) && claims.body_digest !== ids.hash(await text())) throw refuse('the proof is for another body');
    const at = clock();
    if (Math.abs(at - claims.iat) > PROOF_SECONDS) throw refuse('the proof is too old, or the clock of the device is wrong');
    if (!(await limits.firstUse(ids.hash(`device_proof\n${deviceId}\n${claims.jti}`), Math.ceil(claims.iat) + 2 * PROOF_SECONDS)))
      throw refuse('the proof was used before');
    return { deviceId, psuId: registered.psuId };
  };
  return (handle) => async (call) => handle(call, await prove(call));
};
