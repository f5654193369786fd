import type { Decider, Decision } from '../decider.ts';
import { OAuthError } from '../oauth-error.ts';
import { type ClientEvents, clientEvents } from './events.ts';
import { type ClientMetadata, checkMetadata } from './metadata.ts';

export type Client =
  | { status: 'absent' }
  | { status: 'active' | 'disabled'; metadata: ClientMetadata; secretHash: string | null; registrationTokenHash: string | null };
export type RegisteredClient = Exclude<Client, { status: 'absent' }>;
type Decides = Decision<Client, ClientEvents>;

/** A client, from its events. */
export const client: Decider<Client, ClientEvents> = {
  events: clientEvents,
  initial: { status: 'absent' },
  evolve(state, event) {
    if (event.type === 'ClientRegistered') {
      const { metadata, secretHash, registrationTokenHash } = event.data;
      return { status: 'active', metadata, secretHash, registrationTokenHash };
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
      throw new OAuthError('invalid_request', 'a client_secret belongs to client_secret_basic and client_secret_post');
    return [{ type: 'ClientRegistered', data: { metadata: checkMetadata(metadata), secretHash, at, registrationTokenHash } }];
  };

const needsSecret = ({ token_endpoint_auth_method: method }: ClientMetadata): boolean => method.startsWith('client_secret_');

/** Replaces what a client is registered with. It keeps its client_secret and never gets one: to methods that need one it cannot change. */
export const replaceMetadata =
  (metadata: ClientMetadata, at: number): Decides =>
  (state) => {
    if (state.status !== 'active') throw new OAuthError('not_found', 'no such client');
    if (needsSecret(metadata) && state.secretHash === null) throw new OAuthError('invalid_request', 'the client has no client_secret');
    return [{ type: 'ClientMetadataReplaced', data: { metadata: checkMetadata(metadata), at } }];
  };

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
