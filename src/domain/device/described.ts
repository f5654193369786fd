import type { Sealed, Sealer } from '../ports/sealer.ts';
import type { RegisteredDevice } from './decider.ts';
import { deviceEvents } from './events.ts';

/** The name that a device has now, and its model; null when its PSU was erased. */
export const describedAs = (
  { sealed, renamed }: { sealed: Sealed; renamed: Sealed | null },
  sealer: Sealer,
): { name: string; model: string } | null => {
  const first = deviceEvents.open('DeviceRegistered', sealed, sealer);
  if (first === null) return null;
  const { name = first.name } = (renamed && deviceEvents.open('DeviceRenamed', renamed, sealer)) ?? {};
  return { name, model: first.model };
};

/** The token that a device is woken by; null when there is none, or its PSU was erased. */
export const pushTokenOf = ({ token }: Pick<RegisteredDevice, 'token'>, sealer: Sealer): string | null =>
  (token && deviceEvents.open(token.type, token.sealed, sealer)?.pushToken) ?? null;
