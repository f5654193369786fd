import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock } from '../../domain/ports/clock.ts';

const MINUTE = 60;

/** Lets so many pass in any minute, and refuses the others for now. */
export const makePace = (perMinute: number, clock: Clock): (() => void) => {
  let passed: number[] = [];
  return () => {
    const at = clock();
    passed = passed.filter((one) => one > at - MINUTE);
    if (passed.length >= perMinute) throw new OAuthError('temporarily_unavailable', 'there are too many registrations at the moment');
    passed.push(at);
  };
};
