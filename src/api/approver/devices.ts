import { Router } from 'express';
import * as z from 'zod';
import type { Decide, Load } from '../../domain/decide.ts';
import { device, replacePushToken, revoke } from '../../domain/device/decider.ts';
import { deviceEvents } from '../../domain/device/events.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { devicesOf } from '../../projections/device-lookup.ts';
import { send } from '../listener.ts';
import { parse } from '../parse.ts';
import type { ReadModels } from '../read-models.ts';
import { json, noContent } from '../reply.ts';
import { provenDevice } from './device-auth.ts';

const PushToken = z.strictObject({ push_token: z.string().min(1).max(4096) });

interface Deps {
  decide: Decide;
  load: Load;
  readModels: ReadModels;
  sealer: Sealer;
  clock: Clock;
  ids: Ids;
}

/** A PSU's devices, seen from one of them: list, replace the own push token, revoke. */
export const deviceRoutes = ({ decide, load, readModels, sealer, clock, ids }: Deps): Router => {
  const command = (deviceId: string, changed: string) => ({
    id: ids.uuid(),
    actor: { kind: 'device', id: deviceId } as const,
    correlationId: changed,
    causationId: null,
  });

  return Router()
    .get('/devices', async (_req, res) => {
      const { psuId, deviceId } = provenDevice(res);
      const devices = devicesOf(readModels.rows, psuId).map(async (row) => {
        const registered = await load(device, row.deviceId);
        // One that is being revoked at this moment is not listed any more.
        if (registered.status !== 'active') return [];
        const described = deviceEvents.open('DeviceRegistered', registered.sealed, sealer);
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
      send(res, json(200, { devices: (await Promise.all(devices)).flat() }));
    })
    .put('/devices/:deviceId/push-token', async (req, res) => {
      const { deviceId } = provenDevice(res);
      if (req.params.deviceId !== deviceId) throw new OAuthError('not_found', 'no such device, or not this one');
      const { push_token: pushToken } = parse(PushToken, req.body);
      const { position } = await decide(device, deviceId, replacePushToken(pushToken, clock()), command(deviceId, deviceId));
      await readModels.reached(position);
      send(res, noContent(204));
    })
    .delete('/devices/:deviceId', async (req, res) => {
      const { psuId, deviceId } = provenDevice(res);
      const { deviceId: revoked } = req.params;
      const { position } = await decide(device, revoked, revoke('device', psuId, clock()), command(deviceId, revoked));
      await readModels.reached(position);
      send(res, noContent(204));
    });
};
