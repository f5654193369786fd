import { authentication, fail, succeed } from '../domain/authentication/decider.ts';
import type { Decide } from '../domain/decide.ts';
import { OAuthError } from '../domain/oauth-error.ts';
import type { Clock, Ids } from '../domain/ports/clock.ts';
import type { Limits } from '../domain/ports/limits.ts';
import type { LoginRequest, LoginScript } from '../domain/ports/login-script.ts';
import type { PsuDirectory } from '../domain/ports/psu-directory.ts';
import type { SignIn } from './authorize/sign-in.ts';
import type { UserOf } from './user-of.ts';

const WINDOW_SECONDS = 15 * 60;
const FAILURES_PER_USERNAME = 5;
const FAILURES_IN_ALL = 500;
const SESSIONS_PER_PSU = 100;
const CALLS_SECONDS = 10;
const DEVICES = { flow: 'devices', requestId: null, clientId: null, requiredPsuId: null, correlationId: null } as const;

/** What a PSU signs in for. */
export interface LoginFor extends LoginRequest {
  /** The PSU who alone may, or null. */
  requiredPsuId: string | null;
  /** The story that it belongs to; one of its own where there is none. */
  correlationId: string | null;
}

/** Who has signed in, with the secret that their browser gets for it and its hash; or why nobody has. */
export type LoggedIn = { psuId: string; secret: string; sessionId: string } | 'wrong_credentials' | 'other_psu' | 'too_many_attempts';

interface Deps {
  signIn: SignIn;
  directory: PsuDirectory;
  loginScript: LoginScript;
  decide: Decide;
  limits: Limits;
  clock: Clock;
  ids: Ids;
  userOf: UserOf;
}

/** The PSU with a user name and a password, or null. */
export type CallSignIn = (username: string, password: string) => Promise<string | null>;

/** How PSUs sign in. */
export interface Login {
  /** Rejects where the ASPSP's script wants no step that there is. */
  begin(about: LoginRequest): Promise<void>;
  /** One attempt on a page, with user name and password. */
  basic(about: LoginFor, username: string, password: string): Promise<LoggedIn>;
  /**
   * One attempt by a call about devices that brings both by itself and begins no session: whose it is, or null. Rejects with
   * `temporarily_unavailable` where nobody has looked.
   */
  ofCall: CallSignIn;
}

/**
 * A success on a page is a fact, because it is a session; of one PSU 100 are taken within 15 minutes for the back channel, and a
 * request of the redirect flow takes ten. Of calls, one success of a PSU within 10 seconds is a fact. Of failures, which anybody can cause,
 * at most 5 for one user name and 500 in all are recorded within 15 minutes; who is refused beyond that is refused all the same. A password
 * that nobody has looked at is no failure. A user name counts as the same with the tenant behind it.
 */
export const makeLogin = (
  { signIn, directory, loginScript, decide, limits, clock, ids, userOf }: Deps,
  { codeFlow, psuChannel }: { codeFlow: readonly 'basic'[]; psuChannel: string },
): Login => {
  const window = { seconds: WINDOW_SECONDS };
  const forUsername = limits.budget('recorded failures of a user name', { count: FAILURES_PER_USERNAME, ...window });
  const forAll = limits.budget('recorded failures', { count: FAILURES_IN_ALL, ...window });
  const sessions = limits.budget('sessions', { count: SESSIONS_PER_PSU, ...window });
  const calls = limits.budget('recorded calls', { count: 1, seconds: CALLS_SECONDS });
  const STEP = 'basic';

  const attemptOf = ({ flow, requestId }: LoginFor) => ({ flow, step: STEP, deviceId: null, requestId, psuChannel, at: clock() }) as const;
  const command = (id: string, psuId: string | null, about: LoginFor) => ({
    id: ids.uuid(),
    actor: { kind: 'psu', id: psuId ?? 'not signed in' } as const,
    correlationId: about.correlationId ?? id,
    causationId: null,
    fresh: true,
  });

  const failed = async (about: LoginFor, username: string, psuId: string | null, reason: 'wrong_credentials' | 'other_psu') => {
    // The first bounds how many names are remembered.
    if (!(await forAll.spend(''))) return reason;
    if (!(await forUsername.spend(ids.hash(username)))) await forAll.refund('');
    else {
      const whose = psuId ?? (await directory.findByHint(username));
      const id = ids.uuid();
      await decide(authentication, id, fail({ ...attemptOf(about), psuId: whose, reason }), command(id, whose, about));
      loginScript.failed({ ...requestIn(about), step: STEP, psuId: whose });
    }
    return reason;
  };

  const succeeded = async (about: LoginFor, psuId: string, id: string) => {
    await decide(authentication, id, succeed({ ...attemptOf(about), psuId }), command(id, psuId, about));
    loginScript.succeeded({ ...requestIn(about), step: STEP, psuId });
  };

  const offered = async (about: LoginRequest) => (await loginScript.steps(requestIn(about), codeFlow)).length > 0;
  const begin = async (about: LoginRequest) => {
    if (!(await offered(about))) throw new OAuthError('access_denied', 'nobody may sign in for this');
  };

  return {
    begin,
    async basic(about, name, password) {
      const username = userOf(name);
      await begin(about);
      if (username === '' || password === '') return 'wrong_credentials';
      const checked = await signIn(username, password);
      if (checked === 'not looked at') return 'too_many_attempts';
      if (checked === 'wrong') return failed(about, username, null, 'wrong_credentials');
      const { psuId } = checked;
      if (about.requiredPsuId !== null && about.requiredPsuId !== psuId) return failed(about, username, psuId, 'other_psu');
      if (about.flow === 'ciba' && !(await sessions.spend(ids.hash(psuId)))) return 'too_many_attempts';
      // A new secret, so that what somebody knew of the browser before is worth nothing after.
      const secret = ids.secret();
      const sessionId = ids.hash(secret);
      await succeeded(about, psuId, sessionId);
      return { psuId, secret, sessionId };
    },
    async ofCall(name, password) {
      const username = userOf(name);
      if (username === '' || password === '' || !(await offered(DEVICES))) return null;
      const checked = await signIn(username, password);
      if (checked === 'not looked at') throw new OAuthError('temporarily_unavailable', 'there were too many attempts to sign in');
      if (checked === 'wrong') {
        await failed(DEVICES, username, null, 'wrong_credentials');
        return null;
      }
      const { psuId } = checked;
      if (await calls.spend(ids.hash(psuId))) await succeeded(DEVICES, psuId, ids.uuid());
      return psuId;
    },
  };
};

const requestIn = ({ flow, requestId, clientId }: LoginRequest): LoginRequest => ({ flow, requestId, clientId });
