import encodeQR from 'qr';
import * as z from 'zod';
import { devicePublicKey } from '../../domain/device/events.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { JwsReader } from '../../domain/ports/jws.ts';
import { basicSignIn } from '../authorize/basic-sign-in.ts';
import { readJson } from '../body.ts';
import type { CallSignIn } from '../login.ts';
import { parse } from '../parse.ts';
import { json } from '../reply.ts';
import type { Route } from '../route.ts';
import { PATHS } from '../surface.ts';
import { enrolmentDoc, registerDeviceDoc } from './approver-docs.ts';
import { pushToken, RegistrationBody } from './bodies.ts';
import { STATEMENT, timely } from './device-auth.ts';
import { type EnrollingDeps, makeEnrolling } from './enrolling.ts';

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

interface Deps extends EnrollingDeps {
  signIn: CallSignIn;
  jws: JwsReader;
  issuer: string;
}

/**
 * Enrolment of a device. The PSU, by user name and password, is offered one-time discovery data (also as a QR code); the device answers
 * with a statement signed by the key that it registers.
 */
export const enrolmentRoutes = (deps: Deps): Route[] => {
  const { signIn, jws, clock, ids, issuer, expirySeconds } = deps;
  const enrolling = makeEnrolling(deps);

  return [
    {
      method: 'POST',
      path: `${PATHS.approver}/enrolments`,
      doc: enrolmentDoc,
      async handle({ headers }) {
        const psuId = await basicSignIn(headers.authorization, signIn);
        const challenge = ids.secret();
        const deviceId = await enrolling.offer(psuId, challenge, { kept: false });
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
        if ((decoded.header.kid ?? deviceId) !== deviceId)
          throw new OAuthError('not_found', 'no such enrolment: kid names another device than device_id');
        const { thumbprint: keyThumbprint } = key;
        await enrolling.register(deviceId, { challenge, publicKey, keyThumbprint, dialect: 'countersign', name, model, pushToken });
        return json(201, { device_id: deviceId, key_thumbprint: keyThumbprint });
      },
    },
  ];
};

const importable = (jws: JwsReader, publicKey: z.output<typeof devicePublicKey>) => {
  try {
    return jws.publicKey(publicKey);
  } catch (cause) {
    throw new OAuthError('invalid_request', 'public_key is not a point of its curve', { cause });
  }
};
