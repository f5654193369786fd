import { isNativeError } from 'node:util/types';
import pino, { type DestinationStream, type Logger } from 'pino';
import type { Answered } from '../api/listener.ts';
import type { Config } from '../config.ts';

/** The fields that a line may have. What is not here is not said: a secret that ends up in another one goes no further. */
const FIELDS = [
  ...['what', 'err', 'address', 'type', 'version', 'position'],
  ...['method', 'route', 'status', 'error', 'ms', 'client_id'],
] as const;

// A cause may be its own.
const MOST_CAUSES = 5;

/** JSON lines, on standard error if nothing else is given, with the fields that are named here and no others. */
export const logger = ({ log }: Pick<Config, 'log'>, destination: DestinationStream = pino.destination({ fd: 2, sync: true })): Logger =>
  pino({ level: log.level, base: null, serializers: { err: (error) => plainError(error) }, formatters: { log: allowed } }, destination);

/** One line for each answer, at the level `debug`: by the template of its route, without anything that was sent. */
export const accessLog =
  (log: Logger): Answered =>
  ({ method, path: route }, { clientId: client_id }, { status, error }, { ms }) => {
    if (log.isLevelEnabled('debug')) log.debug({ method, route, status, error, ms: Math.round(ms * 10) / 10, client_id }, 'answered');
  };

const allowed = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(FIELDS.filter((name) => fields[name] !== undefined).map((name) => [name, fields[name]]));

/** What may be said of something that was thrown: an SDK hangs whole requests on its errors, and a script may throw anything. */
const plainError = (error: unknown, depth = 1): object => {
  if (!(error instanceof Error || isNativeError(error))) return { type: typeof error };
  const { name, message, stack, code, cause } = error as Error & { code?: unknown };
  return {
    type: name,
    message,
    code: typeof code === 'object' ? undefined : code,
    stack,
    ...(cause !== undefined && depth < MOST_CAUSES && { cause: plainError(cause, depth + 1) }),
  };
};
