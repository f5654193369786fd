import * as z from 'zod';
import { device } from '../../domain/device/decider.ts';
import { deviceEvents, type PhoneDialect } from '../../domain/device/events.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { JwsReader, LeastRsaBits } from '../../domain/ports/jws.ts';
import { type EnrollingDeps, makeEnrolling } from '../approver/enrolling.ts';
import type { EndReplacedPhones } from './replaced-phones.ts';

interface Deps extends EnrollingDeps {
  jws: JwsReader;
  leastRsaBits: LeastRsaBits;
  endReplacedPhones: EndReplacedPhones;
}

const label = z.string().min(1).max(45);
/** What a phone of either dialect says of itself. */
export const phoneRegistration = z.object({
  deviceId: z.string().min(1).max(128),
  name: label,
  model: label,
  publicKey: z.string().min(1).max(2048),
  signature: z.string().min(1).max(1024),
});

interface PhoneRegistration extends z.output<typeof phoneRegistration> {
  pushToken: string;
  dialect: PhoneDialect;
}

/** Enrolment of phones of the reference: as that of our own devices, with a challenge that the phone signs and never sends. */
export const makePhoneEnrolment = (deps: Deps) => {
  const { load, jws, sealer, ids, leastRsaBits, endReplacedPhones } = deps;
  const enrolling = makeEnrolling(deps);

  /** The challenge that this phone was offered; null where there is no such offer, or the device sends its challenge itself. */
  const challengeOf = async (deviceId: string): Promise<string | null> => {
    const state = await load(device, deviceId);
    const offered = state.status === 'offered' ? state : state.status === 'active' ? state.offer : null;
    const sealed = offered?.challenge ?? null;
    return (sealed && deviceEvents.open('DeviceEnrolmentOffered', sealed, sealer)?.challenge) ?? null;
  };

  return {
    async offer(psuId: string): Promise<{ deviceId: string; challenge: string }> {
      const challenge = ids.derived(ids.secret());
      return { deviceId: await enrolling.offer(psuId, challenge, { kept: true }), challenge };
    },

    async register({ deviceId, publicKey, signature, ...stated }: PhoneRegistration): Promise<void> {
      const key = jws.phoneKey(publicKey, leastRsaBits);
      if (key === null)
        throw new OAuthError('invalid_request', `publicKey must be an RSA key of ${leastRsaBits} to 4096 bits, as base64 SPKI`);
      const challenge = await challengeOf(deviceId);
      if (challenge === null) throw new OAuthError('not_found', 'no such enrolment');
      if (!jws.phoneSigned(key, `${challenge}.${stated.pushToken}`, signature))
        throw new OAuthError('invalid_request', 'the signature is not of this key over the challenge and the push id');
      const psuId = await enrolling.register(deviceId, { ...stated, challenge, publicKey: key.jwk, keyThumbprint: key.thumbprint });
      await endReplacedPhones(psuId, stated.pushToken);
    },
  };
};
export type PhoneEnrolment = ReturnType<typeof makePhoneEnrolment>;
