import { device, rename, replacePushToken, revoke } from '../../domain/device/decider.ts';
import { describedAs, pushTokenOf } from '../../domain/device/described.ts';
import type { Actor } from '../../domain/ports/event-store.ts';
import { type PhoneRow, phonesOf } from '../../projections/phone-lookup.ts';
import { phoneOf } from './phone-keys.ts';
import type { EndReplacedPhones, PhoneDeps } from './replaced-phones.ts';

/** A change that a PSU makes to a phone. */
export type PhoneChange = { name: string } | { pushToken: string };

/** The phones of the reference of one PSU: what the device APIs of both dialects do. Another PSU's phone does not exist. */
export const makePhones = (deps: PhoneDeps & { endReplacedPhones: EndReplacedPhones }) => {
  const { decide, load, sealer, readModels, clock, ids, endReplacedPhones } = deps;
  const commandOf = (actor: Actor, deviceId: string) => ({ id: ids.uuid(), actor, correlationId: deviceId, causationId: null });

  return {
    all: (psuId: string): readonly PhoneRow[] => phonesOf(readModels.rows, psuId),

    async one(psuId: string, deviceId: string): Promise<PhoneRow & { pushToken: string | null }> {
      const registered = phoneOf(await load(device, deviceId), psuId);
      const { name = '', model = '' } = describedAs(registered, sealer) ?? {};
      const pushToken = pushTokenOf(registered, sealer);
      const lastUsedAt = phonesOf(readModels.rows, psuId).find((row) => row.deviceId === deviceId)?.lastUsedAt ?? null;
      return { deviceId, name, model, pushToken, registeredAt: registered.registeredAt, lastUsedAt };
    },

    /** All of the changes, or none. */
    async change(psuId: string, deviceId: string, changes: readonly PhoneChange[]): Promise<void> {
      const at = clock();
      const { position } = await decide(
        device,
        deviceId,
        (state) => {
          phoneOf(state, psuId);
          return changes.flatMap((one) => ('name' in one ? rename(one.name, psuId, at) : replacePushToken(one.pushToken, at))(state));
        },
        commandOf({ kind: 'psu', id: psuId }, deviceId),
      );
      await readModels.reached(position);
      for (const one of changes) if ('pushToken' in one) await endReplacedPhones(psuId, one.pushToken);
    },

    /** One that is there no more does not exist: it cannot be removed again. */
    async remove(psuId: string, deviceId: string, by: 'psu' | 'device' | 'operator', actor: Actor): Promise<void> {
      const { position } = await decide(
        device,
        deviceId,
        (state) => {
          phoneOf(state, psuId);
          return revoke(by, psuId, clock())(state);
        },
        commandOf(actor, deviceId),
      );
      await readModels.reached(position);
    },
  };
};
export type Phones = ReturnType<typeof makePhones>;
