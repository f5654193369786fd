import { OAuthError } from '../../domain/oauth-error.ts';
import type { Actor } from '../../domain/ports/event-store.ts';
import { askingForBasic, type Reply, refusalReply } from '../reply.ts';
import type { Call } from '../route.ts';
import { type Bearer, tokenRefusal } from '../tpp/bearer.ts';
import type { AuthenticateClient, AuthenticatedClient } from '../tpp/client-auth.ts';

/** The scopes of the consent service. They are given to the ASPSP's own clients; nobody registers itself for them. */
export const CONSENT_SCOPES = {
  readAll: 'consents:read_all',
  readSelf: 'consents:read_self',
  validate: 'consents:validate',
  manage: 'consents:manage',
  authorize: 'consents:authorize',
} as const;

/** Who administers consents: an officer, of all, or a PSU, of their own. */
export interface Reader {
  /** Null for an officer. */
  psuId: string | null;
  actor: Actor;
}

interface Deps {
  bearer: Bearer;
  authenticate: AuthenticateClient;
}

/** Whether who calls wants to prove itself by Basic. */
export const triesBasic = ({ headers }: Call): boolean => /^basic /i.test(headers.authorization ?? '');

/**
 * Who calls the consent service. A client of the ASPSP proves itself by Basic, as the reference's do, or by a token of its own; it must be
 * registered for the scope. What a call says in its parameters about who calls counts for nothing.
 */
export const makeOfficer = ({ bearer, authenticate }: Deps) => {
  const byBasic = async (call: Call, scope: string): Promise<AuthenticatedClient> => {
    const client = await authenticate(Object.assign(call, { form: {} }));
    if (!client.metadata.scope.split(' ').includes(scope))
      throw new OAuthError('insufficient_scope', `the client is not registered for the scope ${scope}`);
    return client;
  };

  return {
    /** A client of the ASPSP that proves itself by Basic. */
    authenticated: byBasic,

    /** A client of the ASPSP. */
    async client(call: Call, scope: string): Promise<string> {
      if (triesBasic(call)) return (await byBasic(call, scope)).clientId;
      const { clientId, psuId } = await bearer(call, scope);
      if (psuId !== null) throw new OAuthError('insufficient_scope', 'this is done with a client_credentials token');
      return clientId;
    },

    /** An officer with `consents:read_all`, or a PSU with `consents:read_self`. */
    async reader(call: Call): Promise<Reader> {
      if (triesBasic(call)) return officer((await byBasic(call, CONSENT_SCOPES.readAll)).clientId);
      const { clientId, psuId, scope } = await bearer(call, CONSENT_SCOPES.readAll, CONSENT_SCOPES.readSelf);
      const needed = psuId === null ? CONSENT_SCOPES.readAll : CONSENT_SCOPES.readSelf;
      if (!scope.split(' ').includes(needed))
        throw new OAuthError('insufficient_scope', `the access token does not have the scope ${needed}`);
      return psuId === null ? officer(clientId) : { psuId, actor: { kind: 'psu', id: psuId } };
    },
  };
};
export type Officer = ReturnType<typeof makeOfficer>;

const officer = (clientId: string): Reader => ({ psuId: null, actor: { kind: 'operator', id: clientId } });

/** How the consent service refuses: with the challenge of the way in which the caller tried to prove itself. */
export const refusedOfficer = (refusal: OAuthError, call: Call): Reply => {
  const reply = tokenRefusal(refusal, call) ?? refusalReply(refusal);
  return refusal.error === 'invalid_client' ? askingForBasic(reply) : reply;
};
