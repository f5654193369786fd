import encodeQR from 'qr';
import * as z from 'zod';
import type { Decide, Load } from '../../domain/decide.ts';
import { device, offer, register } from '../../domain/device/decider.ts';
import { devicePublicKey } from '../../domain/device/events.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { JwsReader } from '../../domain/ports/jws.ts';
import { devicesOf, keyOfAnotherDevice } from '../../projections/device-lookup.ts';
import type { SignIn } from '../authorize/sign-in.ts';
import { readJson } from '../body.ts';
import { parse } from '../parse.ts';
import type { ReadModels } from '../read-models.ts';
import { json } from '../reply.ts';
import type { Route } from '../route.ts';
import { PATHS } from '../surface.ts';
import { enrolmentDoc, registerDeviceDoc } from './approver-docs.ts';
import { pushToken, RegistrationBody } from './bodies.ts';
import { STATEMENT, timely } from './device-auth.ts';

const SVG_FIRST = /^\s*image\/svg\+xml\s*(?:[;,]|$)/i;
const text = z.string().min(1).max(100);
const registrationClaims = z.object({
  aud: z.string(),
  device_id: z.string().max(128),
  challenge: z.string(),
  public_key: devicePublicKey,
  name: text,
  model: text,
  push_token: pushToken.optional(),
});

interface Deps {
  decide: Decide;
  load: Load;
  signIn: SignIn;
  jws: JwsReader;
  readModels: ReadModels;
  clock: Clock;
  ids: Ids;
  issuer: string;
  expirySeconds: number;
  devicesPerPsu: number;
}

/**
 * Enrolment of a device. The PSU, by user name and password, is offered one-time discovery data (also as a QR code); the device answers
 * with a statement signed by the key that it registers.
 */
export const enrolmentRoutes = (deps: Deps): Route[] => {
  const { decide, load, signIn, jws, readModels, clock, ids, issuer, expirySeconds, devicesPerPsu } = deps;

  const withinLimit = (psuId: string) => {
    if (devicesOf(readModels.rows, psuId).length >= devicesPerPsu)
      throw new OAuthError('conflict', 'the PSU has as many devices as are allowed');
  };

  return [
    {
      method: 'POST',
      path: `${PATHS.approver}/enrolments`,
      doc: enrolmentDoc,
      async handle({ headers }) {
        const psuId = await signedIn(headers.authorization, signIn);
        withinLimit(psuId);
        const deviceId = ids.uuid();
        const challenge = ids.secret();
        const at = clock();
        const command = { id: ids.uuid(), actor: { kind: 'psu', id: psuId } as const, correlationId: deviceId, causationId: null };
        await decide(device, deviceId, offer({ psuId, challengeHash: ids.hash(challenge), at, expiresAt: at + expirySeconds }), command);
        const discovery = {
          device_id: deviceId,
          challenge,
          issuer,
          registration_endpoint: `${issuer}${PATHS.approver}/devices`,
          expires_in: expirySeconds,
        };
        if (!SVG_FIRST.test(headers.accept ?? '')) return json(201, discovery);
        return { ...json(201, null, { 'Content-Type': 'image/svg+xml' }), body: encodeQR(JSON.stringify(discovery), 'svg') };
      },
    },
    {
      method: 'POST',
      path: `${PATHS.approver}/devices`,
      doc: registerDeviceDoc,
      async handle(call) {
        const { registration } = await readJson(call, RegistrationBody);
        const decoded = jws.decode(registration);
        if (decoded?.header.typ !== STATEMENT.registration)
          throw new OAuthError('invalid_request', `registration must be a ${STATEMENT.registration}`);
        const claims = parse(registrationClaims, decoded.claims);
        const { device_id: deviceId, challenge, public_key: publicKey, name, model, push_token: pushToken = null } = claims;
        const key = importable(jws, publicKey);
        if (!decoded.verify(key) || claims.aud !== issuer || !timely(decoded.claims, clock()))
          throw new OAuthError('invalid_request', 'registration is not signed here and now by the key that it names');
        const keyThumbprint = key.thumbprint;
        if (keyOfAnotherDevice(readModels.rows, keyThumbprint, deviceId))
          throw new OAuthError('conflict', 'the key belongs to another device');
        const offered = await load(device, deviceId);
        // Several offers may be open at once: each of them was within the limit when it was made.
        if (offered.status === 'offered') withinLimit(offered.psuId);
        if (offered.status !== 'absent' && (decoded.header.kid ?? deviceId) !== deviceId)
          throw new OAuthError('not_found', 'no such enrolment: kid names another device than device_id');
        const command = { id: ids.uuid(), actor: { kind: 'device', id: deviceId } as const, correlationId: deviceId, causationId: null };
        const at = clock();
        const decision = register({ challengeHash: ids.hash(challenge), publicKey, keyThumbprint, name, model, pushToken, at });
        const { position } = await decide(device, deviceId, decision, command);
        await readModels.reached(position);
        return json(201, { device_id: deviceId, key_thumbprint: keyThumbprint });
      },
    },
  ];
};

const signedIn = async (authorization: string | undefined, signIn: SignIn): Promise<string> => {
  const [, credentials = ''] = /^basic +(\S+)$/i.exec(authorization ?? '') ?? [];
  const [, username = '', password = ''] = /^([^:]+):(.*)$/s.exec(Buffer.from(credentials, 'base64').toString()) ?? [];
  const psuId = username === '' ? null : await signIn(username, password);
  if (psuId === null) throw new OAuthError('invalid_token', 'the user name or the password is wrong');
  return psuId;
};

const importable = (jws: JwsReader, publicKey: z.output<typeof devicePublicKey>) => {
  try {
    return jws.publicKey(publicKey);
  } catch (cause) {
    throw new OAuthError('invalid_request', 'public_key is not a point of its curve', { cause });
  }
};
