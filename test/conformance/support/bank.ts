import { temporarySigningKeys } from '../../../src/adapters/keys/signing-keys.ts';
import { accountsIn, askForEnrolment, type Discovery, type Shown } from '../../../src/demo/phone.ts';
import { CIBA_GRANT, JWT_BEARER_GRANT } from '../../../src/domain/client/metadata.ts';
import { type Ecosystem, startEcosystem } from '../../api/registration/ecosystem.ts';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { sendAnswer, type TestDevice, testDevice } from '../../support/device.ts';
import { dpopProof } from '../../support/dpop.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { sendForm } from '../../support/http.ts';
import { type TestKey, testKey } from '../../support/jws.ts';
import { ask, certificate, ownToken, type SigningTpp, secretTpp, signingTpp, withCertificate } from '../../support/tpp.ts';

type TppAlg = 'ES256' | 'PS256';
type DeviceAlg = 'ES256' | 'EdDSA';
type DpopAlg = TppAlg | DeviceAlg;

export const CALLBACK = 'https://tpp.example/callback';

/** An engine with everybody who can sign something for it. */
export interface Bank {
  tested: TestEngine;
  time: StandingClock;
  /** Clients of the plain profile. */
  tpps: Record<TppAlg, SigningTpp>;
  /** Clients of the FAPI-CIBA profile. */
  fapiTpps: Record<TppAlg, SigningTpp>;
  otherTpp: SigningTpp;
  disabledTpp: SigningTpp;
  /** It has keys, and authenticates by its secret. */
  secretClientId: string;
  /** Devices of Alice. */
  phones: Record<DeviceAlg, TestDevice>;
  /** Another device of Alice, which was shown nothing. */
  tablet: TestDevice;
  revokedDevice: TestDevice;
  bobsDevice: TestDevice;
  engineKeys: Record<TppAlg, TestKey>;
  /** Access tokens over which possession of a key must be proved, each with its key. */
  dpop: Record<DpopAlg, { key: TestKey; accessToken: string }>;
  /** Who signs software statements, and the software that they are about. */
  ecosystem: Ecosystem;
  /** What an honest ceremony of the first client ended with. */
  issued: { idToken: string; accessToken: string };
  /** A request that a phone of Alice was shown and has not answered. */
  shown(alg: DeviceAlg): Promise<Shown>;
  /** An enrolment that waits for its device, with the key for it. */
  enrolment(alg: DeviceAlg): Promise<{ discovery: Discovery; key: TestKey }>;
  /** An accepted token has used up what was shown or offered. */
  used(): void;
  close(): Promise<void>;
}

export const openBank = async (): Promise<Bank> => {
  const engineKeys = { ES256: engineKey('ES256'), PS256: engineKey('PS256') };
  const signer = temporarySigningKeys(Object.values(engineKeys).map(({ privateKey }) => privateKey));
  const time = standingClock();
  const limits = { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000000', COUNTERSIGN_LIMITS_DEVICES_PER_PSU: '1000' };
  const ecosystem = await startEcosystem();
  const statements = { COUNTERSIGN_REGISTRATION_STATEMENT_ISSUERS: 'https://directory.example' };
  const { outbound, settings } = ecosystem;
  const tested = await testEngine({ clock: time.clock, signer, outbound }, { ...limits, ...settings, ...statements });
  const close = async () => {
    await tested.close();
    await ecosystem.close();
  };
  try {
    return { ...(await populate(tested, time)), engineKeys, ecosystem, close };
  } catch (error) {
    // An engine that goes on listening would keep the tests from ending; what it took for a fault says more than the refusal.
    await close();
    throw error;
  }
};

/** Everybody is registered, and one ceremony has ended. */
const populate = async (tested: TestEngine, time: StandingClock): Promise<Omit<Bank, 'engineKeys' | 'ecosystem' | 'close'>> => {
  const grants = [CIBA_GRANT, 'client_credentials', 'refresh_token'] as const;
  const redirecting = {
    grant_types: [...grants, 'authorization_code' as const],
    response_types: ['code id_token' as const],
    redirect_uris: [CALLBACK],
  };
  const fapi = { profile: 'fapi-ciba', tls_client_certificate_bound_access_tokens: true, ...redirecting } as const;
  const trading = { grant_types: [...grants, JWT_BEARER_GRANT as typeof JWT_BEARER_GRANT] };
  const tpps = { ES256: await signingTpp(tested, trading, testKey('ES256')), PS256: await signingTpp(tested, trading, testKey('PS256')) };
  const disabledTpp = await signingTpp(tested);
  await tested.disable(disabledTpp.clientId);
  const phones = { ES256: await testDevice(tested, 'alice'), EdDSA: await testDevice(tested, 'alice', testKey('EdDSA')) };
  const revokedDevice = await testDevice(tested, 'alice');
  await revokedDevice.call('DELETE', `/devices/${revokedDevice.deviceId}`);

  let shown: Partial<Record<DeviceAlg, Shown>> = {};
  let enrolments: Partial<Record<DeviceAlg, { discovery: Discovery; key: TestKey }>> = {};
  const bound = async (alg: DpopAlg) => {
    const key = testKey(alg);
    const proof = { dpop: await dpopProof(tested, key, '/oauth2/token') };
    return { key, accessToken: (await ceremony(tested, tpps.ES256, phones.ES256, proof)).accessToken };
  };
  const show = async (alg: DeviceAlg) => phones[alg].retrieve((await ask(tested, await tpps.ES256.authentication())).requestId);

  return {
    tested,
    time,
    tpps,
    fapiTpps: { ES256: await signingTpp(tested, fapi, testKey('ES256')), PS256: await signingTpp(tested, fapi, testKey('PS256')) },
    otherTpp: await signingTpp(tested),
    disabledTpp,
    secretClientId: (await secretTpp(tested, { jwks: { keys: [tpps.ES256.key.publicJwk] } })).client_id,
    phones,
    tablet: await testDevice(tested, 'alice'),
    revokedDevice,
    bobsDevice: await testDevice(tested, 'bob'),
    issued: await ceremony(tested, tpps.ES256, phones.ES256),
    dpop: { ES256: await bound('ES256'), PS256: await bound('PS256'), EdDSA: await bound('EdDSA') },
    async shown(alg) {
      shown[alg] ??= await show(alg);
      return shown[alg];
    },
    async enrolment(alg) {
      const offer = () => askForEnrolment(fetch, tested.url, { username: 'alice', password: 'alice' });
      enrolments[alg] ??= { discovery: await offer(), key: testKey(alg) };
      return enrolments[alg];
    },
    used() {
      shown = {};
      enrolments = {};
    },
  };
};

/** From the request to the tokens. */
const ceremony = async (tested: TestEngine, tpp: SigningTpp, phone: TestDevice, headers = {}): Promise<Bank['issued']> => {
  const { authReqId, requestId } = await ask(tested, await tpp.authentication());
  const shown = await phone.retrieve(requestId);
  await sendAnswer(tested, requestId, await phone.answer(shown, 'approved', accountsIn(shown)));
  const form = { ...(await tpp.authentication()), grant_type: CIBA_GRANT, auth_req_id: authReqId };
  const body = (await (await sendForm(tested, '/oauth2/token', form, headers)).json()) as Record<string, string>;
  return { idToken: String(body['id_token']), accessToken: String(body['access_token']) };
};

const engineKey = (alg: TppAlg): TestKey => {
  const { privateKey, publicKey } = testKey(alg);
  return { alg, kid: '', privateKey, publicKey, publicJwk: publicKey.export({ format: 'jwk' }) as TestKey['publicJwk'] };
};

/** A token of the client's own, bound to no certificate. */
export const ownTokenOf = async ({ tested, tpps }: Bank): Promise<string> => ownToken(tested, await tpps.ES256.authentication());

/** The certificate that calls of FAPI clients come with. */
export const CERTIFICATE = withCertificate(certificate());
