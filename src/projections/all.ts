import type { Sealer } from '../domain/ports/sealer.ts';
import { clientLookup } from './client-lookup.ts';
import { consentHistory } from './consent-history.ts';
import { consentLookup } from './consent-lookup.ts';
import { consentService } from './consent-service.ts';
import { deviceLookup } from './device-lookup.ts';
import { eventNotifications } from './event-notifications.ts';
import { notificationsDue } from './notifications-due.ts';
import { pendingRequests } from './pending-requests.ts';
import { phoneLookup } from './phone-lookup.ts';
import type { Projection } from './projection.ts';
import { psuData } from './psu-data.ts';
import { pushSignIns } from './push-sign-ins.ts';
import { signingKeys } from './signing-keys.ts';
import { tokenLookup } from './token-lookup.ts';

/** Every read model that is made from the public parts of events alone. */
export const projections: readonly Projection[] = [
  clientLookup,
  deviceLookup,
  pendingRequests,
  consentLookup,
  tokenLookup,
  consentHistory,
  signingKeys,
  notificationsDue,
  eventNotifications,
  pushSignIns,
  psuData,
];

/** Every read model of a node. */
export const projectionsOver = (sealer: Sealer): readonly Projection[] => [...projections, consentService(sealer), phoneLookup(sealer)];
