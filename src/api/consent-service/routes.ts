import type { Observable } from 'rxjs';
import type { EventStore } from '../../domain/ports/event-store.ts';
import type { JwsReader } from '../../domain/ports/jws.ts';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';
import type { Signer } from '../../domain/ports/signer.ts';
import type { SessionDeps } from '../authorize/consent.ts';
import type { Route } from '../route.ts';
import type { Bearer } from '../tpp/bearer.ts';
import type { AuthenticateClient } from '../tpp/client-auth.ts';
import type { Intents } from '../tpp/intents/intents.ts';
import type { UserOf } from '../user-of.ts';
import { adminRoutes } from './admin.ts';
import { makeConsentResource } from './consent-resource.ts';
import { manageRoutes } from './manage.ts';
import { makeOfficer } from './officer.ts';
import { makeReadStory } from './story.ts';
import { validateRoutes } from './validate.ts';
import { webAuthorisationRoutes } from './web-authorisation.ts';

interface Deps extends SessionDeps {
  store: EventStore;
  signer: Signer;
  jws: JwsReader;
  bearer: Bearer;
  intents: Intents;
  directory: PsuDirectory;
  userOf: UserOf;
  issuer: string;
  /** Tells when something that could be opened no longer can. */
  gone: Observable<unknown>;
  authenticate: AuthenticateClient;
}

/** The consent service of the reference, over the same consents. */
export const consentServiceRoutes = (deps: Deps): Route[] => {
  const within = { ...deps, officer: makeOfficer(deps), readStory: makeReadStory(deps.store), resource: makeConsentResource(deps) };
  return [...adminRoutes(within), ...validateRoutes(within), ...manageRoutes(within), ...webAuthorisationRoutes(within)];
};
