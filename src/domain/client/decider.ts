import type { Decider, Decision } from '../decider.ts';
import { OAuthError } from '../oauth-error.ts';
import { type ClientEvents, clientEvents } from './events.ts';
import { type ClientMetadata, checkMetadata, withImplied } from './metadata.ts';

export type Client =
  | { status: 'absent' }
  | {
      status: 'active' | 'disabled';
      metadata: ClientMetadata;
      secretHash: string | null;
      registrationTokenHash: string | null;
      registeredAt: number;
    };
export type RegisteredClient = Exclude<Client, { status: 'absent' }>;
type Decides = Decision<Client, ClientEvents>;

/** A client, from its events. */
export const client: Decider<Client, ClientEvents> = {
  events: clientEvents,
  initial: { status: 'absent' },
  evolve(state, event) {
    if (event.type === 'ClientRegistered') {
      const { metadata, secretHash, registrationTokenHash, at } = event.data;
      return { status: 'active', metadata, secretHash, registrationTokenHash, registeredAt: at };
    }
    if (state.status === 'absent') return state;
    switch (event.type) {
      case 'ClientMetadataReplaced':
        return { ...state, metadata: event.data.metadata };
      case 'ClientDisabled':
        return { ...state, status: 'disabled' };
    }
  },
};

/** Registers a client under a client_id that was never used; one that registered itself has a registration access token. */
export const register =
  (metadata: ClientMetadata, secretHash: string | null, at: number, registrationTokenHash: string | null = null): Decides =>
  (state) => {
    if (state.status !== 'absent') throw new OAuthError('conflict', 'the client_id is taken');
    if (needsSecret(metadata) !== (secretHash !== null))
      throw new OAuthError('invalid_client_metadata', 'a client_secret belongs to client_secret_basic and client_secret_post');
    return [{ type: 'ClientRegistered', data: { metadata: checkMetadata(metadata), secretHash, at, registrationTokenHash } }];
  };

const needsSecret = ({ token_endpoint_auth_method: method }: ClientMetadata): boolean => method.startsWith('client_secret_');

/**
 * A client replaces its own registration, with what `revise` makes of the newest one. It stays in its profile and gains no right: what was
 * approved once does not grow. It keeps its client_secret and never gets one: to methods that need one it cannot change. The same again
 * records nothing.
 */
export const replaceOwn =
  (revise: (current: ClientMetadata) => ClientMetadata, at: number): Decides =>
  (state) => {
    if (state.status !== 'active') throw new OAuthError('invalid_token', 'the registration access token is not good');
    const revised = revise(state.metadata);
    if (isSame(revised, state.metadata)) return [];
    if (revised.profile !== state.metadata.profile) throw new OAuthError('invalid_client_metadata', 'a client does not change its profile');
    const held = rightsOf(withImplied(state.metadata));
    if (rightsOf(revised).some((right) => !held.includes(right)))
      throw new OAuthError(
        'invalid_client_metadata',
        'an update adds no grant type, scope or type of authorization_details: register again',
      );
    if (needsSecret(revised) && state.secretHash === null)
      throw new OAuthError('invalid_client_metadata', 'the client has no client_secret');
    return [{ type: 'ClientMetadataReplaced', data: { metadata: checkMetadata(revised), at } }];
  };

const rightsOf = ({ grant_types: grants, scope, authorization_details_types: types }: ClientMetadata): string[] => [
  ...grants.map((grant) => `grant ${grant}`),
  ...scope.split(' ').map((one) => `scope ${one}`),
  ...types.map((type) => `type ${type}`),
];

const isSame = (one: ClientMetadata, other: ClientMetadata): boolean =>
  (Object.keys(one) as (keyof ClientMetadata)[]).every((name) => JSON.stringify(one[name]) === JSON.stringify(other[name]));

/** Ends a client. Again is once. */
export const disable =
  (at: number): Decides =>
  (state) => {
    if (state.status === 'absent') throw new OAuthError('not_found', 'no such client');
    return state.status === 'active' ? [{ type: 'ClientDisabled', data: { at } }] : [];
  };

/** The client, if it may be given anything: read from its stream where something is granted. */
export const activeClient = (state: Client): RegisteredClient => {
  if (state.status !== 'active') throw new OAuthError('invalid_client', 'client authentication failed');
  return state;
};
