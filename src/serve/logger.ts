import pino, { type Logger } from 'pino';
import type { Config } from '../config.ts';

/** JSON lines on standard error, with the fields that are named here and no others. */
export const logger = ({ log }: Pick<Config, 'log'>): Logger =>
  pino({ level: log.level, base: null, serializers: { err: plainError } }, pino.destination({ fd: 2, sync: true }));

/** What may be said of an error: an SDK hangs whole requests on its errors. */
const plainError = (error: unknown): object => {
  const { name, message, stack, code, cause } = error as Error & { code?: unknown };
  return {
    type: name,
    message,
    code: typeof code === 'object' ? undefined : code,
    stack,
    ...(cause instanceof Error && { cause: plainError(cause) }),
  };
};
