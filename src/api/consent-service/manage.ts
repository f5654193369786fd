import * as z from 'zod';
import { client } from '../../domain/client/decider.ts';
import type { Load } from '../../domain/decide.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';
import type { Call, Route } from '../route.ts';
import { PATHS } from '../surface.ts';
import { INTENT_TYPES } from '../tpp/intents/intent-types.ts';
import type { Intents, Owner } from '../tpp/intents/intents.ts';
import { serveIntents } from '../tpp/intents/serve-intents.ts';
import type { UserOf } from '../user-of.ts';
import { CONSENT_SCOPES, type Officer } from './officer.ts';

const CLIENT = 'x-wso2-client-id';
const AUTHORISERS = 'x-consent-authorisers';
const MOST_AUTHORISERS = 20;

const headers = z.object({ [CLIENT]: z.string().describe('the client for which the gateway calls') });
const authorisersHeader = { [AUTHORISERS]: z.string().optional().describe('the users who must all agree, separated by commas') };

interface Deps {
  officer: Officer;
  intents: Intents;
  load: Load;
  directory: PsuDirectory;
  userOf: UserOf;
  issuer: string;
}

/** The consents of TPPs, for a gateway of the ASPSP that has authenticated the TPP itself and calls in its place. */
export const manageRoutes = ({ officer, intents, load, directory, userOf, issuer }: Deps): Route[] => {
  const refuse = (header: string, reason: string, given: string | string[] | undefined) =>
    new OAuthError('invalid_request', `${header} ${reason}`, { reason: given === undefined ? 'header missing' : 'header unreadable' });

  const clientOf = async (call: Call): Promise<Pick<Owner, 'clientId' | 'actor'>> => {
    const gateway = await officer.client(call, CONSENT_SCOPES.manage);
    const clientId = call.headers[CLIENT];
    if (typeof clientId !== 'string' || (await load(client, clientId)).status !== 'active')
      throw refuse(CLIENT, 'names no client', clientId);
    return { clientId, actor: { kind: 'operator', id: gateway } };
  };

  const authorisersOf = async ({ headers: { [AUTHORISERS]: given = '' } }: Call): Promise<readonly string[]> => {
    const users = String(given)
      .split(',')
      .map((user) => userOf(user.trim()))
      .filter((user) => user !== '');
    if (users.length > MOST_AUTHORISERS) throw refuse(AUTHORISERS, 'names too many users', given);
    const psuIds = await Promise.all(users.map((user) => directory.findByHint(user)));
    if (psuIds.includes(null)) throw refuse(AUTHORISERS, 'names an unknown user', given);
    return [...new Set(psuIds as string[])];
  };

  return INTENT_TYPES.flatMap((type) =>
    serveIntents({
      ...{ type, intents, security: 'operator', headers, whose: 'a client' },
      path: `${PATHS.consentManage}/${type.name}`,
      filePath: `${PATHS.consentManage}/fileUpload/${type.name}/{consent_id}/file`,
      owner: async (call) => ({ type, ...(await clientOf(call)), self: `${issuer}${PATHS.intents}/${type.api}/${type.name}` }),
      authorisers: { of: authorisersOf, headers: authorisersHeader },
      amends: true,
    }),
  );
};
