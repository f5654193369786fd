import { makeAnswerRequest } from '../api/approver/answer-request.ts';
import { makeDeviceStatements, makeProven } from '../api/approver/device-auth.ts';
import { makeShowRequest } from '../api/approver/show-request.ts';
import { makeSignIn } from '../api/authorize/sign-in.ts';
import { makeLogin } from '../api/login.ts';
import type { ReadModels } from '../api/read-models.ts';
import type { Surface } from '../api/surface.ts';
import { makeCheckAssertion } from '../api/tpp/assertion.ts';
import { makeBearer } from '../api/tpp/bearer.ts';
import { makeAuthenticateClient } from '../api/tpp/client-auth.ts';
import { makeClientKeys } from '../api/tpp/client-keys.ts';
import { makeDpop } from '../api/tpp/dpop.ts';
import { makeIntents } from '../api/tpp/intents/intents.ts';
import { makeUserOf } from '../api/user-of.ts';
import type { Config } from '../config.ts';
import { detailTypes } from '../domain/authorization-details/registered.ts';
import type { Issuing } from './core.ts';

/** What the routes share. */
export const makeShared = (
  issuing: Issuing,
  { config, surface, readModels }: { config: Config; surface: Surface; readModels: ReadModels },
) => {
  const { load, jws, rows, clock, ids } = issuing;
  const { issuer, acrValuesSupported, limits, registration } = config;
  const keys = makeClientKeys(issuing);
  const checkAssertion = makeCheckAssertion({ ...issuing, keys, surface, assertionSeconds: limits.assertionSeconds });
  const dpop = makeDpop({ ...issuing, surface });
  const authenticate = makeAuthenticateClient({ readModels, jws, keys, checkAssertion, dpop, ids });
  const statements = makeDeviceStatements({ load, jws, rows, clock });
  const showing = { ...issuing, readModels, detailTypes };
  const userOf = makeUserOf(config.wso2.tenantDomain);
  const login = makeLogin({ ...issuing, signIn: makeSignIn(issuing), userOf }, config.authentication);
  return {
    ...{ ...issuing, readModels, keys, checkAssertion, authenticate, surface, issuer, statements, acrValuesSupported, detailTypes, login },
    // For calls that bring a user name and a password by themselves.
    signIn: login.ofCall,
    showRequest: makeShowRequest(showing),
    answerRequest: makeAnswerRequest(showing),
    intents: makeIntents({ ...issuing, readModels, permissions: config.consent.permissions }),
    userOf,
    bearer: makeBearer({ readModels, clock, ids, dpop }),
    proven: makeProven({ ...issuing, statements, issuer }),
    registrationBase: registration.enabled ? (registration.requireCertificate ? surface.mtlsBase : issuer) : null,
  };
};
export type Shared = ReturnType<typeof makeShared>;
