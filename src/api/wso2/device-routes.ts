import { OAuthError } from '../../domain/oauth-error.ts';
import type { Ids } from '../../domain/ports/clock.ts';
import type { JwsReader } from '../../domain/ports/jws.ts';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';
import type { PhoneRow } from '../../projections/phone-lookup.ts';
import { readJson } from '../body.ts';
import { json, noContent } from '../reply.ts';
import type { Call, Handler, Route, RouteDoc } from '../route.ts';
import type { UserOf } from '../user-of.ts';
import {
  adminListDoc,
  adminRemoveDoc,
  adminViewDoc,
  Changes,
  changeDoc,
  listDoc,
  NewerRegistration,
  newerRegisterDoc,
  newerViewDoc,
  OlderRegistration,
  olderRegisterDoc,
  RemovalToken,
  removeByTokenDoc,
  removeDoc,
  viewDoc,
  WORDS,
} from './device-docs.ts';
import { type DeviceWords, makeDeviceRefuse, unidentified } from './device-words.ts';
import type { PhoneEnrolment } from './enrolment.ts';
import type { PhoneKeys } from './phone-keys.ts';
import type { Phones } from './phones.ts';
import type { Administrator, SignedIn } from './signed-in.ts';

const ME = '/api/users/v1/me';
const USER = '/api/users/v1/{user_id}';
const OLDER = `${ME}/push-auth/devices`;
const NEWER = `${ME}/push/devices`;

interface Deps {
  enrolment: PhoneEnrolment;
  phones: Phones;
  phoneKeys: PhoneKeys;
  signedIn: SignedIn;
  administrator: Administrator;
  jws: JwsReader;
  directory: PsuDirectory;
  userOf: UserOf;
  ids: Ids;
  issuer: string;
}

/** The device API of the reference (C2) and of its newer dialect (C5), for phones, for signed-in PSUs and for administrators. */
export const phoneDeviceRoutes = (deps: Deps): Route[] => {
  const { enrolment, phones, signedIn, administrator, ids, issuer } = deps;
  const route = (method: Route['method'], path: string, words: DeviceWords, doc: RouteDoc, handle: Handler): Route => ({
    ...{ method, path, doc, handle },
    refuse: makeDeviceRefuse(words, ids),
  });
  const created = (base: string, deviceId: string) => ({
    status: 201,
    headers: { Location: `${issuer}${base}/${encodeURIComponent(deviceId)}`, 'Cache-Control': 'no-store' },
    body: '',
  });
  const list: Handler = async (call) => {
    const psuId = await signedIn(call).catch((error) => {
      throw unidentified(error);
    });
    return json(200, phones.all(psuId).map(asListed));
  };
  const remove: Handler = async (call) => {
    const psuId = await signedIn(call);
    await phones.remove(psuId, deviceIn(call), 'psu', { kind: 'psu', id: psuId });
    return noContent(204);
  };
  const removeByToken: Handler = async (call) => {
    const { token } = await readJson(call, RemovalToken);
    const { deviceId, psuId } = await removerOf(deps, token, call.params['device_id']);
    await phones.remove(psuId, deviceId, 'device', { kind: 'device', id: deviceId });
    return noContent(204);
  };

  return [
    route('POST', OLDER, WORDS.register, olderRegisterDoc, async (call) => {
      const { pushId: pushToken, ...stated } = await readJson(call, OlderRegistration);
      await enrolment.register({ ...stated, pushToken, dialect: 'push-auth' });
      return created(OLDER, stated.deviceId);
    }),
    { ...route('GET', OLDER, WORDS.list, listDoc, list), hot: true },
    // Where the phone is named by its token alone: the path that the discovery data has for removing. Ahead of those of one device.
    route('POST', `${OLDER}/remove`, WORDS.removeByToken, removeByTokenDoc, removeByToken),
    route('GET', `${OLDER}/{device_id}`, WORDS.view, viewDoc, async (call) => {
      const { pushToken, ...phone } = await phones.one(await signedIn(call), deviceIn(call));
      return json(200, { ...asListed(phone), pushId: pushToken });
    }),
    route('PATCH', `${OLDER}/{device_id}`, WORDS.change, changeDoc, async (call) => {
      const psuId = await signedIn(call);
      const changes = await readJson(call, Changes);
      const asked = changes.map(({ path, value }) => (path === '/device-name' ? { name: value } : { pushToken: value }));
      await phones.change(psuId, deviceIn(call), asked);
      return noContent(200);
    }),
    route('DELETE', `${OLDER}/{device_id}`, WORDS.remove, removeDoc, remove),
    route('POST', `${OLDER}/{device_id}/remove`, WORDS.removeByToken, removeByTokenDoc, removeByToken),

    route('POST', NEWER, WORDS.register, newerRegisterDoc, async (call) => {
      const { deviceToken: pushToken, provider: _, ...stated } = await readJson(call, NewerRegistration);
      await enrolment.register({ ...stated, pushToken, dialect: 'push' });
      return created(NEWER, stated.deviceId);
    }),
    route('GET', NEWER, WORDS.list, listDoc, list),
    route('GET', `${NEWER}/{device_id}`, WORDS.view, newerViewDoc, async (call) => {
      const { pushToken, ...phone } = await phones.one(await signedIn(call), deviceIn(call));
      return json(200, { ...asListed(phone), deviceToken: pushToken });
    }),
    route('DELETE', `${NEWER}/{device_id}`, WORDS.remove, removeDoc, remove),
    route('POST', `${NEWER}/{device_id}/remove`, WORDS.removeByToken, removeByTokenDoc, removeByToken),

    // Behind those of the PSU: `me` is nobody's id.
    route('GET', `${USER}/push-auth/devices`, WORDS.list, adminListDoc, async (call) => {
      await administrator(call, 'internal_push_device_list');
      return json(200, phones.all(userIn(call)).map(asListed));
    }),
    route('GET', `${USER}/push-auth/devices/{device_id}`, WORDS.view, adminViewDoc, async (call) => {
      await administrator(call, 'internal_push_device_view');
      const { pushToken, ...phone } = await phones.one(userIn(call), deviceIn(call));
      return json(200, { ...asListed(phone), pushId: pushToken });
    }),
    route('DELETE', `${USER}/push-auth/devices/{device_id}`, WORDS.remove, adminRemoveDoc, async (call) => {
      const clientId = await administrator(call, 'internal_push_device_delete');
      await phones.remove(userIn(call), deviceIn(call), 'operator', { kind: 'operator', id: clientId });
      return noContent(204);
    }),
  ];
};

const deviceIn = ({ params }: Call): string => params['device_id'] ?? '';
const userIn = ({ params }: Call): string => params['user_id'] ?? '';

const asListed = ({ deviceId, name, model, registeredAt, lastUsedAt }: PhoneRow) => ({
  deviceId,
  name,
  model,
  registrationTime: isoOf(registeredAt),
  lastUsedTime: lastUsedAt === null ? null : isoOf(lastUsedAt),
});

const isoOf = (seconds: number): string => new Date(seconds * 1000).toISOString();

/** The phone that a removal token is of: it names the phone, is meant for us and for this, and is signed by the phone's own key. */
const removerOf = async ({ jws, phoneKeys, directory, userOf }: Deps, token: string, ofPath: string | undefined) => {
  const refuse = () => new OAuthError('invalid_token', 'the token is none of this device for its removal');
  const statement = jws.decode(token);
  const deviceId = jws.headerText(token, 'did') ?? jws.headerText(token, 'deviceId');
  if (statement === null || deviceId === null || (ofPath ?? deviceId) !== deviceId) throw refuse();
  const phone = await phoneKeys.find(deviceId);
  const { act, sub } = statement.claims;
  // The same whether there is no such phone or it is another's.
  if (phone === null || !phoneKeys.signed(phone, statement) || act !== 'REMOVE') throw refuse();
  const { psuId } = phone.registered;
  // A name that the directory does not know (any more) says nothing: the key says who it is.
  const named = typeof sub === 'string' ? await directory.findByHint(userOf(sub)) : null;
  if (named !== null && named !== psuId) throw refuse();
  return { deviceId, psuId };
};
