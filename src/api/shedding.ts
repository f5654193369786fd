import { OAuthError } from '../domain/oauth-error.ts';
import type { Route } from './route.ts';
import { OPERATOR_PATHS, PATHS } from './surface.ts';

/** What is refused when the store cannot keep up, in this order: what is new, what comes again by itself, what people do, what protects. */
export const SHED = ['request', 'poll', 'answer', 'revocation'] as const;
export type Shed = (typeof SHED)[number];

/** From which pressure of the store on each is refused. From 1 on calls wait for it; before 2, where it refuses by itself, is ours alone. */
const FROM: Readonly<Record<Shed, number>> = { request: 1, poll: 1.25, answer: 1.5, revocation: 1.75 };

// What says how the node is, and what is served from memory.
const NEVER: readonly string[] = [
  ...Object.values(OPERATOR_PATHS),
  ...['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server', PATHS.jwks, '/openapi.json', '/docs'],
];
const REVOCATIONS = /\/remove$/;
const ANSWERS = /\/push-auth\/authenticate$/;

/** When a route is refused: null for one that never is. The rest goes by the method. */
export const shedAs = ({ method, path }: Pick<Route, 'method' | 'path'>): Shed | null => {
  const under = (...places: readonly string[]) => places.some((place) => path === place || path.startsWith(`${place}/`));
  if (NEVER.includes(path)) return null;
  if (method === 'DELETE' || REVOCATIONS.test(path) || under(PATHS.revocation, PATHS.backchannelCancellation)) return 'revocation';
  if (ANSWERS.test(path) || under(PATHS.answer, PATHS.login, PATHS.consent, PATHS.consentAuthorize)) return 'answer';
  if (under(`${PATHS.approver}/requests`)) return 'answer';
  if (path === PATHS.authorization) return 'request';
  if (under(PATHS.token, PATHS.introspection, PATHS.userinfo, PATHS.consentValidate, `${PATHS.eventNotifications}/events`)) return 'poll';
  return method === 'GET' ? 'poll' : 'request';
};

/** Whether a call of a route is taken now: null, or why not. */
export type Gate = (route: Route) => OAuthError | null;

/**
 * Refuses before any work is done: by the pressure of the store, and everything while the node must not answer, because what its read models
 * say may be wrong. `onShed` is told what was refused.
 */
export const makeGate = ({
  pressure,
  mayAnswer,
  onShed,
}: {
  pressure: (() => number) | undefined;
  mayAnswer(): boolean;
  onShed: ((shed: Shed) => void) | undefined;
}): Gate => {
  const known = new WeakMap<Route, Shed | 'never'>();
  return (route) => {
    const now = pressure?.() ?? 0;
    const halted = !mayAnswer();
    if (now < FROM.request && !halted) return null;
    const shed = known.get(route) ?? shedAs(route) ?? 'never';
    known.set(route, shed);
    if (shed === 'never' || (!halted && now < FROM[shed])) return null;
    onShed?.(shed);
    return new OAuthError('temporarily_unavailable', 'the server cannot take this now: come again');
  };
};
