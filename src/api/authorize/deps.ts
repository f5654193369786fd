import type { PersistAuthorization } from '../../domain/authorization/persist.ts';
import type { DetailTypes } from '../../domain/authorization-details/detail-type.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { ConsentSteps } from '../../domain/ports/consent-steps.ts';
import type { Limits } from '../../domain/ports/limits.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import type { Login } from '../login.ts';
import type { ReadModels } from '../read-models.ts';
import { type AnswerUrl, makeAnswerUrl } from '../tpp/authorization-response.ts';
import { type Accept, makeAccept } from './accept.ts';
import { type FrontChannelIdToken, makeFrontChannelIdToken } from './front-channel-id-token.ts';
import { makeReadAuthorizationObject, type ReadAuthorizationObject } from './request-object.ts';

/** What the pages of the redirect flow stand on. */
export interface AuthorizeDeps {
  decide: Decide;
  load: Load;
  readModels: ReadModels;
  consentSteps: ConsentSteps;
  sealer: Sealer;
  detailTypes: DetailTypes;
  limits: Limits;
  clock: Clock;
  ids: Ids;
  accept: Accept;
  readObject: ReadAuthorizationObject;
  answerUrl: AnswerUrl;
  frontChannelIdToken: FrontChannelIdToken;
  login: Login;
  persistAuthorization: PersistAuthorization;
  /** The ASPSP's own consent page, or null for ours. */
  consentPageUrl: string | null;
}

type Given = Omit<AuthorizeDeps, 'accept' | 'readObject' | 'answerUrl' | 'frontChannelIdToken'> &
  Omit<Parameters<typeof makeAccept>[0], 'reachedAcrValues'> &
  Parameters<typeof makeReadAuthorizationObject>[0];

/** What the pages stand on, and what is pushed to them (RFC 9126). */
export const authorizeDeps = <D extends Given>(
  deps: D,
  { codeFlowAcrValues, idTokenSeconds }: { codeFlowAcrValues: readonly string[]; idTokenSeconds: number },
): D & AuthorizeDeps => ({
  ...deps,
  accept: makeAccept({ ...deps, reachedAcrValues: codeFlowAcrValues }),
  readObject: makeReadAuthorizationObject(deps),
  answerUrl: makeAnswerUrl(deps),
  frontChannelIdToken: makeFrontChannelIdToken({ ...deps, idTokenSeconds }),
});
