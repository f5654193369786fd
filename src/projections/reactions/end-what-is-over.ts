import { cancel, cibaRequest, expire as expireRequest } from '../../domain/ciba-request/decider.ts';
import { consent, expire as expireConsent } from '../../domain/consent/decider.ts';
import type { Decide } from '../../domain/decide.ts';
import { grant, revoke } from '../../domain/grant/decider.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import { overdueConsents } from '../consent-lookup.ts';
import { cancellationsDue, findPending, overdueRequests } from '../pending-requests.ts';
import { revocationsDue } from '../token-lookup.ts';
import { engineCommand } from './engine-command.ts';
import type { Reaction } from './runner.ts';

interface Deps {
  decide: Decide;
  rows: Rows;
  clock: Clock;
  ids: Ids;
}

const END_OF_WHAT_THEY_HANG_ON = ['ConsentRevoked', 'ConsentExpired', 'ClientDisabled'] as const;

/** Time → CibaRequestExpired. */
export const expireRequests = ({ decide, rows, clock, ids }: Deps): Reaction => ({
  name: 'expire-requests',
  after: ['CibaRequestExpired'],
  due: (limit) =>
    overdueRequests(rows, clock(), limit).map((requestId) => ({
      key: requestId,
      act: () =>
        decide(
          cibaRequest,
          requestId,
          expireRequest(clock()),
          engineCommand(ids, 'expire-requests', findPending(rows, requestId)?.consent_id ?? requestId),
        ),
    })),
});

/** Time → ConsentExpired. */
export const expireConsents = ({ decide, rows, clock, ids }: Deps): Reaction => ({
  name: 'expire-consents',
  after: ['ConsentExpired'],
  due: (limit) =>
    overdueConsents(rows, clock(), limit).map((consentId) => ({
      key: consentId,
      act: () => decide(consent, consentId, expireConsent(clock()), engineCommand(ids, 'expire-consents', consentId)),
    })),
});

/**
 * ConsentAuthorised, ConsentRejected, ConsentRevoked, ConsentExpired, ClientDisabled, a request that supersedes another →
 * CibaRequestCancelled for what was still pending.
 */
export const cancelRequests = ({ decide, rows, clock, ids }: Deps): Reaction => ({
  name: 'cancel-requests',
  after: [...END_OF_WHAT_THEY_HANG_ON, 'ConsentAuthorised', 'ConsentRejected', 'CibaRequestCancelled'],
  due: (limit) =>
    cancellationsDue(rows, limit).map(({ requestId, reason, supersededBy }) => ({
      key: requestId,
      act: () => {
        const ended = engineCommand(ids, 'cancel-requests', findPending(rows, requestId)?.consent_id ?? requestId);
        // The call that superseded it does this at once: whoever comes second repeats the same event.
        const because = supersededBy === null ? {} : { id: ids.derived(`supersede/${supersededBy}`), causationId: supersededBy };
        return decide(cibaRequest, requestId, cancel({ reason, at: clock() }), { ...ended, ...because });
      },
    })),
});

/** ConsentRevoked, ConsentExpired, ConsentAmended, ClientDisabled → GrantRevoked. */
export const revokeGrants = ({ decide, rows, clock, ids }: Deps): Reaction => ({
  name: 'revoke-grants',
  after: [...END_OF_WHAT_THEY_HANG_ON, 'ConsentAmended', 'GrantOpened', 'GrantRevoked'],
  due: (limit) =>
    revocationsDue(rows, limit).map(({ grantId, consentId, reason }) => ({
      key: grantId,
      act: () => decide(grant, grantId, revoke({ reason, at: clock() }), engineCommand(ids, 'revoke-grants', consentId ?? grantId)),
    })),
});
