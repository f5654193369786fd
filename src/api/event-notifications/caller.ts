import { client } from '../../domain/client/decider.ts';
import type { Load } from '../../domain/decide.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Actor } from '../../domain/ports/event-store.ts';
import { CONSENT_SCOPES, type Officer, triesBasic } from '../consent-service/officer.ts';
import type { Call } from '../route.ts';
import type { Bearer } from '../tpp/bearer.ts';

// The first is how the reference documents it, the second how its gateway sends it elsewhere.
const CLIENT_ID = ['x-wso2-client_id', 'x-wso2-client-id'];
const RESOURCE_ID = ['x-wso2-resource_id', 'x-wso2-resource-id'];
const IDENTIFIER = /^[\w.:~@/-]{1,256}$/;

const inHeader = ({ headers }: Call, names: readonly string[]) => names.map((name) => headers[name]).find((value) => value !== undefined);

const named = (call: Call, names: readonly string[]): string => {
  const given = inHeader(call, names);
  const reason = given === undefined ? 'header missing' : 'header unreadable';
  if (typeof given !== 'string' || !IDENTIFIER.test(given))
    throw new OAuthError('invalid_request', `Missing header ${names[0]}`, { reason });
  return given;
};

/** The client that a call is about, as its header names it. */
export const namedClient = (call: Call): string => named(call, CLIENT_ID);

/** Refuses what is for a client that there is not, or not any more. */
export const checkClient = async (clientId: string, load: Load): Promise<void> => {
  if ((await load(client, clientId)).status !== 'active')
    throw new OAuthError('invalid_request', 'A client was not found for the client id');
};

/** The resource that a call is about, as its header names it. */
export const namedResource = (call: Call): string => named(call, RESOURCE_ID);

/** The system of the ASPSP that calls: one that may manage consents may say what happens to them, too. */
export const operatorOf = (officer: Officer, call: Call): Promise<string> => officer.client(call, CONSENT_SCOPES.manage);

// Whoever lodges consents may be told of them.
const [SCOPE, ...OTHERS] = ['accounts', 'payments', 'fundsconfirmations'] as const;

/** For which TPP a call is, and who makes it. */
export interface Called {
  clientId: string;
  actor: Actor;
}

/** Who calls as a TPP: the TPP itself with a token of its own, or a system of the ASPSP for the TPP that its header names. */
export const makeCaller =
  ({ bearer, officer, load }: { bearer: Bearer; officer: Officer; load: Load }) =>
  async (call: Call): Promise<Called> => {
    // Where the reference's systems call by Basic, they call for a TPP.
    if (inHeader(call, CLIENT_ID) !== undefined || triesBasic(call)) {
      const actor: Actor = { kind: 'operator', id: await operatorOf(officer, call) };
      const clientId = namedClient(call);
      await checkClient(clientId, load);
      return { clientId, actor };
    }
    const { clientId, psuId } = await bearer(call, SCOPE, ...OTHERS);
    if (psuId !== null) throw new OAuthError('insufficient_scope', 'event notifications are had with a client_credentials token');
    return { clientId, actor: { kind: 'client', id: clientId } };
  };
export type Caller = ReturnType<typeof makeCaller>;
