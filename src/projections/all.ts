import { clientLookup } from './client-lookup.ts';
import { consentHistory } from './consent-history.ts';
import { consentLookup } from './consent-lookup.ts';
import { deviceLookup } from './device-lookup.ts';
import { notificationsDue } from './notifications-due.ts';
import { pendingRequests } from './pending-requests.ts';
import type { Projection } from './projection.ts';
import { signingKeys } from './signing-keys.ts';
import { tokenLookup } from './token-lookup.ts';

/** Every read model of a node. */
export const projections: readonly Projection[] = [
  clientLookup,
  deviceLookup,
  pendingRequests,
  consentLookup,
  tokenLookup,
  consentHistory,
  signingKeys,
  notificationsDue,
];
