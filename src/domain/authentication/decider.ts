import type { Decider, Decision } from '../decider.ts';
import { type AuthenticationEvents, type AuthenticationFact, authenticationEvents } from './events.ts';

type DataOf<T extends AuthenticationFact['type']> = Extract<AuthenticationFact, { type: T }>['data'];

export type Authentication =
  | { status: 'absent' }
  | ({ status: 'succeeded' } & DataOf<'AuthenticationSucceeded'>)
  | ({ status: 'failed' } & DataOf<'AuthenticationFailed'>);
type Decides = Decision<Authentication, AuthenticationEvents>;

/** One attempt of a PSU to sign in, from its events. */
export const authentication: Decider<Authentication, AuthenticationEvents> = {
  events: authenticationEvents,
  initial: { status: 'absent' },
  evolve: (_state, { type, data }) =>
    type === 'AuthenticationSucceeded' ? { status: 'succeeded', ...data } : { status: 'failed', ...data },
};

/** A PSU has proved who they are. */
export const succeed =
  (data: DataOf<'AuthenticationSucceeded'>): Decides =>
  (state) =>
    state.status === 'absent' ? [{ type: 'AuthenticationSucceeded', data }] : [];

/** Somebody has not. */
export const fail =
  (data: DataOf<'AuthenticationFailed'>): Decides =>
  (state) =>
    state.status === 'absent' ? [{ type: 'AuthenticationFailed', data }] : [];

/** Who is signed in by a browser to answer requests of the back channel, until then; null for nobody. */
export const signedIn = (state: Authentication, at: number, seconds: number): string | null =>
  state.status === 'succeeded' && state.flow === 'ciba' && state.step === 'basic' && at < state.at + seconds ? state.psuId : null;
