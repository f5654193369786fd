import { describe } from '../../domain/authorization-details/approval.ts';
import { askingOf } from '../../domain/ciba-request/asking.ts';
import {
  type Asked,
  cibaRequest,
  lastRetrieval,
  ofPsu,
  type ReceivedCibaRequest,
  type Retrieval,
  retrieve,
} from '../../domain/ciba-request/decider.ts';
import { cibaRequestEvents } from '../../domain/ciba-request/events.ts';
import { sessionDataKeyOf } from '../../domain/ciba-request/id.ts';
import { answerable, consent } from '../../domain/consent/decider.ts';
import type { PhoneDialect } from '../../domain/device/events.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { ConsentDatum, Retrieved } from '../../domain/ports/consent-steps.ts';
import type { PushContent } from '../../domain/ports/push-sender.ts';
import { bytesOf, MOST_BYTES, phoneContent, type Told } from '../../domain/push/phone-content.ts';
import { findClient } from '../client-lookup.ts';
import type { PushDue } from '../device-lookup.ts';
import { engineCommand } from './engine-command.ts';
import type { PushDeps } from './push-to-device.ts';

type Deps = Omit<PushDeps, 'pushSender' | 'loginScript'>;

/**
 * What a phone of the reference is told of a request; null when its PSU was erased. That it was shown is recorded first, and another
 * attempt tells the same: one push of a request to a device has one challenge. Where all of it is longer than that many bytes, less is told.
 */
export const toldTo = async (
  deps: Deps,
  due: PushDue,
  dialect: PhoneDialect,
  { mostBytes = MOST_BYTES }: { mostBytes?: number } = {},
): Promise<Told | null> => {
  const { decide, load, sealer, clock, ids } = deps;
  const { requestId, deviceId, psuId } = due;
  const request = ofPsu(await load(cibaRequest, requestId), psuId);
  const consentState = request.consentOrigin === 'request' ? consent.initial : await load(consent, request.consentId);
  if (!answerable(consentState, psuId, clock())) throw new OAuthError('conflict', 'the consent no longer awaits authorisation');
  const before = lastRetrieval(request, deviceId);
  if (before?.consentRevision === consentState.revision) {
    const told = toldIn(before, deps);
    if (told === null || !told.whole || bytesOf(told.content) <= mostBytes) return told;
  }
  const asked = cibaRequestEvents.open('CibaRequestReceived', request.sealed, sealer);
  const name = await deps.directory.nameOf(psuId);
  if (asked === null || name === null) return null;

  const challenge = ids.derived(ids.secret());
  const { accounts, ...retrieved } = await deps.consentSteps.retrieve(askingOf(request, consentState, asked.authorizationDetails));
  const choices = accounts.map(({ accountId, displayName }) => ({ account_id: accountId, display_name: displayName }));
  const telling = {
    ...{ deviceId, challenge, name, accounts: choices, tenantDomain: deps.tenantDomain, bindingMessage: asked.bindingMessage },
    sessionDataKey: sessionDataKeyOf(requestId),
    client: clientOf(deps, request),
    consentData: [...retrieved.consentData, ...restOf(deps, request, asked, retrieved)],
    type: retrieved.type ?? 'default',
  };
  const told = phoneContent(dialect, telling, mostBytes);
  // What can be chosen stands beside it, as in every showing; and all of it holds the challenge, which keeps the digest from being guessed.
  const shown = JSON.stringify({
    ...told.content,
    whole: told.whole,
    accounts: told.whole ? choices : [],
    authorization_details: asked.authorizationDetails,
    binding_message: asked.bindingMessage,
  });
  const data = {
    ...{ psuId, deviceId, sessionId: null, digest: ids.hash(shown), nonce: ids.hash(challenge) },
    ...{ consentRevision: consentState.revision, at: clock() },
  };
  const command = engineCommand(ids, 'push-to-device', request.consentId);
  const { eventIds, state } = await decide(cibaRequest, requestId, retrieve(data, shown, before?.digest), command);
  // Another node was first: what it recorded is what counts.
  return eventIds.length > 0 ? told : toldIn(lastRetrieval(ofPsu(state, psuId), deviceId) as Retrieval, deps);
};

const toldIn = ({ sealed }: Retrieval, { sealer }: Deps): Told | null => {
  const shown = cibaRequestEvents.open('ConsentRetrieved', sealed, sealer)?.shown;
  if (shown === undefined) return null;
  const { body, data, whole } = JSON.parse(shown) as PushContent & Pick<Told, 'whole'>;
  return { content: { body, data }, whole };
};

const clientOf = ({ rows }: Deps, { clientId }: ReceivedCibaRequest) => {
  const { client_name: name = clientId, client_uri: url = null } = findClient(rows, clientId)?.metadata ?? {};
  return { name, url };
};

/** What the reference has no place for, and what is approved with the rest: it stands behind what the consent asks for. */
const restOf = (
  { detailTypes }: Deps,
  { scope, consentOrigin }: ReceivedCibaRequest,
  { authorizationDetails, requestContext }: Asked,
  { consentData }: Pick<Retrieved, 'consentData'>,
): ConsentDatum[] => [
  ...(consentOrigin === 'request' && consentData.length === 0 ? [{ title: 'Requested Scope', data: scope.split(' ') }] : []),
  ...(authorizationDetails ?? []).map((entry) => ({ title: 'Authorization Details', data: [...describe(entry, detailTypes)] })),
  ...(requestContext === null ? [] : [{ title: 'Request Context', data: [JSON.stringify(requestContext)] }]),
];
