import { OAuthError } from '../domain/oauth-error.ts';
import type { LoginOutcome, LoginRequest, LoginScript } from '../domain/ports/login-script.ts';
import { inTime, ownModule } from './own-module.ts';

const TIMEOUT_MS = 2000;
const HOOKS = ['onLoginRequest', 'onSuccess', 'onFail'] as const;

/** The script that the settings name, or one that takes every step there is. Throws for a module that cannot be used. */
export const openLoginScript = async (
  file: string | null,
  { psuChannel, onFault }: { psuChannel: string; onFault(what: string, error: unknown): void },
): Promise<LoginScript> => {
  const hooks = file === null ? {} : await ownModule(file, { known: HOOKS });
  const told = (about: LoginRequest) => ({
    flow: about.flow,
    request_id: about.requestId,
    client_id: about.clientId,
    psu_channel: psuChannel,
  });
  const tell = (hook: (typeof HOOKS)[number], { step, psuId, ...about }: LoginOutcome): void => {
    const call = hooks[hook] as ((context: object) => unknown) | undefined;
    if (call === undefined) return;
    inTime(TIMEOUT_MS, () => call({ ...told(about), step, psu_id: psuId })).catch((error) => onFault(`login script ${hook}`, error));
  };

  return {
    chooses: hooks.onLoginRequest !== undefined,
    async steps(about, offered) {
      const call = hooks.onLoginRequest as ((context: object) => unknown) | undefined;
      if (call === undefined) return offered;
      try {
        const chosen = await inTime(TIMEOUT_MS, () => call({ ...told(about), steps: [...offered] }));
        if (!Array.isArray(chosen) || !chosen.every((step) => offered.includes(step)))
          throw new TypeError(`onLoginRequest of the login script: expected some of ${offered.join(', ')}`);
        return offered.filter((step) => chosen.includes(step));
      } catch (error) {
        onFault('login script onLoginRequest', error);
        throw new OAuthError('temporarily_unavailable', 'nobody can sign in now', { cause: error });
      }
    },
    succeeded: (outcome) => tell('onSuccess', outcome),
    failed: (outcome) => tell('onFail', outcome),
  };
};
