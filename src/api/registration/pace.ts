import { OAuthError } from '../../domain/oauth-error.ts';
import type { Limits } from '../../domain/ports/limits.ts';

/** What registration may cost in a minute. Each of these takes one, or refuses for now. */
export interface Pace {
  /** A statement of anybody's whose signature is to be checked. */
  check(): Promise<void>;
  /** A registration that stands on what the settings ask for. */
  register(): Promise<void>;
  /** An update by a client, which takes from nobody else's. */
  update(clientId: string): Promise<void>;
}

// Anybody can send what is refused only by its signature: that must not use up the registrations of those whose signature is good.
const CHECKS_PER_REGISTRATION = 100;
// With the usual 30 registrations in a minute, a client updates its own five times.
const REGISTRATIONS_PER_UPDATE = 6;

/** The pace of registration, from the registrations that are taken in a minute. */
export const makePace = (perMinute: number, limits: Limits): Pace => {
  const within = (name: string, count: number, what: string) => {
    const budget = limits.budget(name, { count, seconds: 60 });
    return async (key: string) => {
      if (!(await budget.spend(key))) throw new OAuthError('temporarily_unavailable', `there are too many ${what} at the moment`);
    };
  };
  const checks = within('statement checks', perMinute * CHECKS_PER_REGISTRATION, 'registrations');
  const registrations = within('registrations', perMinute, 'registrations');
  return {
    check: () => checks(''),
    register: () => registrations(''),
    update: within('registration updates', Math.ceil(perMinute / REGISTRATIONS_PER_UPDATE), 'updates of the registration'),
  };
};
