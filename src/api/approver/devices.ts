import type { Decide, Load } from '../../domain/decide.ts';
import { device, replacePushToken, revoke } from '../../domain/device/decider.ts';
import { describedAs } from '../../domain/device/described.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { devicesOf } from '../../projections/device-lookup.ts';
import { readJson } from '../body.ts';
import type { ReadModels } from '../read-models.ts';
import { json, noContent } from '../reply.ts';
import type { Route } from '../route.ts';
import { PATHS } from '../surface.ts';
import { devicesDoc, pushTokenDoc, revokeDeviceDoc } from './approver-docs.ts';
import { PushTokenBody } from './bodies.ts';
import type { Proven } from './device-auth.ts';

interface Deps {
  proven: Proven;
  decide: Decide;
  load: Load;
  readModels: ReadModels;
  sealer: Sealer;
  clock: Clock;
  ids: Ids;
}

/** A PSU's devices, seen from one of them: list, replace the own push token, revoke. */
export const deviceRoutes = ({ proven, decide, load, readModels, sealer, clock, ids }: Deps): Route[] => {
  const command = (deviceId: string, changed: string) => ({
    id: ids.uuid(),
    actor: { kind: 'device', id: deviceId } as const,
    correlationId: changed,
    causationId: null,
  });

  return [
    {
      method: 'GET',
      path: `${PATHS.approver}/devices`,
      doc: devicesDoc,
      handle: proven(async (_call, { psuId, deviceId }) => {
        const devices = devicesOf(readModels.rows, psuId).map(async (row) => {
          const registered = await load(device, row.deviceId);
          // One that is being revoked at this moment is not listed any more.
          if (registered.status !== 'active') return [];
          const described = describedAs(registered, sealer);
          return [
            {
              device_id: row.deviceId,
              name: described?.name ?? null,
              model: described?.model ?? null,
              registered_at: row.registeredAt,
              reachable_by_push: row.reachable === 1,
              this_device: row.deviceId === deviceId,
            },
          ];
        });
        return json(200, { devices: (await Promise.all(devices)).flat() });
      }),
    },
    {
      method: 'PUT',
      path: `${PATHS.approver}/devices/{device_id}/push-token`,
      doc: pushTokenDoc,
      handle: proven(async (call, { deviceId }) => {
        if (call.params['device_id'] !== deviceId) throw new OAuthError('not_found', 'no such device, or not this one');
        const { push_token: pushToken } = await readJson(call, PushTokenBody);
        const { position } = await decide(device, deviceId, replacePushToken(pushToken, clock()), command(deviceId, deviceId));
        await readModels.reached(position);
        return noContent(204);
      }),
    },
    {
      method: 'DELETE',
      path: `${PATHS.approver}/devices/{device_id}`,
      doc: revokeDeviceDoc,
      handle: proven(async ({ params: { device_id: revoked = '' } }, { psuId, deviceId }) => {
        const { position } = await decide(device, revoked, revoke('device', psuId, clock()), command(deviceId, revoked));
        await readModels.reached(position);
        return noContent(204);
      }),
    },
  ];
};
