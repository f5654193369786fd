import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock } from '../../domain/ports/clock.ts';
import { makeBudget } from '../budget.ts';

/** What registration may cost this node in a minute. Each of these takes one, or refuses for now. */
export interface Pace {
  /** A statement of anybody's whose signature is to be checked. */
  check(): void;
  /** A registration that stands on what the settings ask for. */
  register(): void;
  /** An update by a client, which takes from nobody else's. */
  update(clientId: string): void;
}

// Anybody can send what is refused only by its signature: that must not use up the registrations of those whose signature is good.
const CHECKS_PER_REGISTRATION = 100;
// With the usual 30 registrations in a minute, a client updates its own five times.
const REGISTRATIONS_PER_UPDATE = 6;

/** The pace of registration, from the registrations that are taken in a minute. */
export const makePace = (perMinute: number, clock: Clock): Pace => {
  const within = (count: number, what: string) => {
    const budget = makeBudget({ count, seconds: 60, clock });
    return (key: string) => {
      if (!budget.spend(key)) throw new OAuthError('temporarily_unavailable', `there are too many ${what} at the moment`);
    };
  };
  const checks = within(perMinute * CHECKS_PER_REGISTRATION, 'registrations');
  const registrations = within(perMinute, 'registrations');
  return {
    check: () => checks(''),
    register: () => registrations(''),
    update: within(Math.ceil(perMinute / REGISTRATIONS_PER_UPDATE), 'updates of the registration'),
  };
};
