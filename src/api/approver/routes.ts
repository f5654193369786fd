import type { Route } from '../route.ts';
import { approverConsentRoutes } from './consents.ts';
import { deviceRoutes } from './devices.ts';
import { enrolmentRoutes } from './enrolments.ts';
import { requestRoutes } from './requests.ts';

type Deps = Parameters<typeof enrolmentRoutes>[0] &
  Parameters<typeof deviceRoutes>[0] &
  Parameters<typeof requestRoutes>[0] &
  Parameters<typeof approverConsentRoutes>[0];

/** Everything that a PSU's device calls in our own dialect. */
export const approverRoutes = (deps: Deps): readonly Route[] => [
  ...enrolmentRoutes(deps),
  ...deviceRoutes(deps),
  ...requestRoutes(deps),
  ...approverConsentRoutes(deps),
];
