import type { PersistAuthorization } from '../../domain/authorization/persist.ts';
import type { DetailTypes } from '../../domain/authorization-details/detail-type.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import type { ReadModels } from '../read-models.ts';
import type { AnswerUrl } from '../tpp/authorization-response.ts';
import type { Accept } from './accept.ts';
import type { FrontChannelIdToken } from './front-channel-id-token.ts';
import type { ReadAuthorizationObject } from './request-object.ts';
import type { SignIn } from './sign-in.ts';

/** What the pages of the redirect flow stand on. */
export interface AuthorizeDeps {
  decide: Decide;
  load: Load;
  readModels: ReadModels;
  directory: PsuDirectory;
  sealer: Sealer;
  detailTypes: DetailTypes;
  clock: Clock;
  ids: Ids;
  accept: Accept;
  readObject: ReadAuthorizationObject;
  answerUrl: AnswerUrl;
  frontChannelIdToken: FrontChannelIdToken;
  signIn: SignIn;
  /** How a PSU signs in: by user name and password is all there is so far. */
  steps: readonly 'basic'[];
  persistAuthorization: PersistAuthorization;
}
