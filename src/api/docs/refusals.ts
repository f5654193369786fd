import type { OAuthErrorCode } from '../../domain/oauth-error.ts';
import { statusOf } from '../reply.ts';
import type { RouteDoc } from '../route.ts';

/** One way in which a call may be refused. */
export interface Refusal {
  error: OAuthErrorCode;
  status: number;
  /** Whether the body is as the route words its own refusals, or the common one. */
  own: boolean;
}

type Statuses = Partial<Record<OAuthErrorCode, number>>;

const OUR_FAULTS: Statuses = { server_error: 500, temporarily_unavailable: 503 };

/** What everybody who calls in this way may be refused with, before the route itself is asked. */
const COMMON: Record<RouteDoc['security'], Statuses> = {
  none: {},
  client: { invalid_client: 401, invalid_request: 400, invalid_dpop_proof: 400 },
  operator: { invalid_client: 401, invalid_request: 400, invalid_token: 401, invalid_dpop_proof: 401, insufficient_scope: 403 },
  bearer: { invalid_token: 401, invalid_dpop_proof: 401, insufficient_scope: 403 },
  device: { invalid_token: 401, access_denied: 403 },
  psu: { invalid_token: 401 },
  'registration token': { invalid_token: 401, invalid_client: 401 },
};

/** The refusals of a route: its own, and those of everybody who calls in its way. What reads nothing from its caller refuses nothing. */
export const refusalsOf = ({ security, errors, refusal }: RouteDoc): readonly Refusal[] => {
  if (security === 'none' && errors.length === 0) return [];
  const own = errors.map((error) => ({ error, status: refusal?.status?.[error] ?? statusOf(error), own: true }));
  const common = Object.entries({ ...COMMON[security], ...OUR_FAULTS }) as [OAuthErrorCode, number][];
  return [...own, ...common.filter(([error]) => !errors.includes(error)).map(([error, status]) => ({ error, status, own: false }))];
};
