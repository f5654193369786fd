import * as z from 'zod';
import { cibaRequest, lastRetrieval, type ReceivedCibaRequest, type Retrieval, refuseAnswer } from '../../domain/ciba-request/decider.ts';
import type { CibaRequestFact } from '../../domain/ciba-request/events.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import type { PhoneDialect } from '../../domain/device/events.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { JwsReader } from '../../domain/ports/jws.ts';
import type { Budget, Limits } from '../../domain/ports/limits.ts';
import type { LoginScript } from '../../domain/ports/login-script.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { numberChallengeOf } from '../../domain/push/phone-content.ts';
import { requestOfSession } from '../../projections/device-lookup.ts';
import { type AnswerRequest, tellOfPush } from '../approver/answer-request.ts';
import { openShown } from '../approver/shown-request.ts';
import { readJson } from '../body.ts';
import type { ReadModels } from '../read-models.ts';
import { asRefusal } from '../reply.ts';
import type { Call, Handler } from '../route.ts';
import { refuseOtherTenant, type Stated, sessionIn, statedIn } from './answer-statement.ts';
import { answerRefusal, faultIn, refused } from './answer-words.ts';
import type { Phone, PhoneKeys } from './phone-keys.ts';

type Recorded = Extract<CibaRequestFact, { type: 'AnswerRefused' }>['data']['reason'];

export interface AuthenticateDeps {
  answerRequest: AnswerRequest;
  phoneKeys: PhoneKeys;
  decide: Decide;
  load: Load;
  jws: JwsReader;
  sealer: Sealer;
  limits: Limits;
  loginScript: LoginScript;
  readModels: ReadModels;
  clock: Clock;
  ids: Ids;
  tenantDomain: string;
}
interface Deps extends AuthenticateDeps {
  numbers: Budget;
}

// A number has three digits at most, and most have two.
const WRONG_NUMBERS = 3;
// Longer than any request waits.
const NUMBERS_SECONDS = 24 * 3600;

export const AuthResponse = z.object({ authResponse: z.string().min(1).max(16_384) });
/** What a phone of the reference was shown: its push, and what an answer can choose. */
const shownToPhone = z.object({
  whole: z.boolean(),
  accounts: z.array(z.object({ account_id: z.string() })),
  binding_message: z.string().nullable(),
});

/**
 * The answer of a phone of the reference (C4, C5): yes or no to what was pushed to it, signed by its key. It is recorded as every other
 * answer is. One that is signed, but is none to the push that this phone got for this request, is refused, and that is recorded.
 */
export const authenticateHandler = (given: AuthenticateDeps): Handler => {
  const deps = { ...given, numbers: given.limits.budget('wrong numbers', { count: WRONG_NUMBERS, seconds: NUMBERS_SECONDS }) };
  return async (call) => {
    let sender = senderOf(deps.jws, '', call);
    try {
      const text = await authResponseIn(call);
      sender = senderOf(deps.jws, text, call);
      await answerWith(deps, text, sender);
    } catch (error) {
      const refusal = asRefusal(error);
      if (refusal.error === 'server_error') throw faultIn(sender.dialect, refusal, error);
      return answerRefusal(refusal, sender.dialect);
    }
    return { status: sender.dialect === 'push' ? 200 : 202, headers: { 'Cache-Control': 'no-store' }, body: '' };
  };
};

interface Sender {
  dialect: PhoneDialect;
  deviceId: string;
}

/** Who says to answer: a phone of the newer dialect is named by `deviceId`, in the header of its token or in that of the call. */
const senderOf = (jws: JwsReader, text: string, { headers: { deviceid: beside } }: Call): Sender => {
  const older = jws.headerText(text, 'did');
  const newer = jws.headerText(text, 'deviceId') ?? (older === null && typeof beside === 'string' ? beside : null);
  return newer === null ? { dialect: 'push-auth', deviceId: older ?? '' } : { dialect: 'push', deviceId: newer };
};

const answerWith = async (deps: Deps, text: string, { dialect, deviceId }: Sender): Promise<void> => {
  const { answerRequest, phoneKeys, load, jws, readModels, clock } = deps;
  const statement = jws.decode(text);
  if (statement === null) throw refused('not parseable');
  const sessionDataKey = sessionIn(statement.claims, dialect);
  if (dialect === 'push') refuseOtherTenant(statement.claims, deps.tenantDomain);
  const phone = await phoneKeys.find(deviceId);
  if (phone?.registered.dialect !== dialect) throw refused('no key');
  if (!phoneKeys.signed(phone, statement)) throw refused('not signed');
  const stated = statedIn(statement.claims, dialect);

  const requestId = await readModels.find((rows) => requestOfSession(rows, sessionDataKey));
  const request = requestId === undefined ? undefined : await load(cibaRequest, requestId);
  if (request === undefined || request.status === 'absent') throw refused('unknown session');
  const { retrieval, accountIds } = await pushAnswered(deps, request, phone, stated);
  const { psuId, keyThumbprint } = phone.registered;
  const { digest, nonce } = retrieval;
  const by = { verdict: stated.verdict, psuId, deviceId, keyThumbprint, digest, nonce, accountIds };
  try {
    await answerRequest(request.requestId, { ...by, authorizationDetails: null, jws: text, at: clock() });
  } catch (error) {
    // It ended meanwhile.
    if (error instanceof OAuthError && error.error === 'gone') await record(deps, request, phone, 'ended');
    throw error;
  }
};

const authResponseIn = async (call: Call): Promise<string> => {
  const body = await readJson(call, z.unknown()).catch((error) => {
    throw error instanceof OAuthError && error.error === 'invalid_request' ? refused('no body') : error;
  });
  const { success, data } = AuthResponse.safeParse(body);
  if (!success) throw refused('no token');
  return data.authResponse;
};

/** The push that is answered, and the accounts that are chosen; or a refusal, which is recorded where somebody tries what is not theirs. */
const pushAnswered = async (
  deps: Deps,
  request: ReceivedCibaRequest,
  phone: Phone,
  { challenge, verdict, accountIds, numberChallenge }: Stated,
): Promise<{ retrieval: Retrieval; accountIds: readonly string[] }> => {
  if (request.psuId !== phone.registered.psuId) {
    await record(deps, request, phone, 'device');
    throw refused('unknown session');
  }
  const retrieval = lastRetrieval(request, phone.deviceId);
  if (retrieval === undefined || retrieval.nonce !== deps.ids.hash(challenge)) {
    await record(deps, request, phone, 'challenge');
    throw refused('other challenge');
  }
  if (request.answer === null && (request.status !== 'pending' || deps.clock() >= request.expiresAt)) {
    await record(deps, request, phone, 'ended');
    throw refused('ended');
  }
  if (verdict === 'denied') return { retrieval, accountIds: [] };
  const shown = shownToPhone.safeParse(JSON.parse(openShown(retrieval.sealed, deps.sealer) ?? 'null')).data;
  const chosen = { retrieval, accountIds: accountIds ?? shown?.accounts.map((account) => account.account_id) ?? [] };
  // What was answered already is told so, whatever else is wrong.
  if (request.answer !== null) return chosen;
  if (!shown?.whole) throw new OAuthError('conflict', 'not all of the request was shown on this device: it can only refuse it');
  const number = phone.registered.dialect === 'push' ? numberChallengeOf({ bindingMessage: shown.binding_message }) : null;
  if (number !== null) await checkNumber(deps, request, phone, numberChallenge === number);
  return chosen;
};

/** After three wrong numbers this phone cannot approve the request any more, whatever it guesses next. */
const checkNumber = async (deps: Deps, request: ReceivedCibaRequest, phone: Phone, isRight: boolean): Promise<void> => {
  const key = `${request.requestId}/${phone.deviceId}`;
  if (!(await deps.numbers.spend(key))) throw refused('no number left');
  if (isRight) return deps.numbers.refund(key);
  await record(deps, request, phone, 'number');
  throw refused('other number');
};

const record = async (
  { decide, loginScript, clock, ids }: AuthenticateDeps,
  request: ReceivedCibaRequest,
  { deviceId }: Phone,
  reason: Recorded,
): Promise<void> => {
  const { requestId, consentId } = request;
  const command = { id: ids.uuid(), actor: { kind: 'device', id: deviceId } as const, correlationId: consentId, causationId: null };
  const { eventIds } = await decide(cibaRequest, requestId, refuseAnswer({ deviceId, reason, at: clock() }), command);
  if (eventIds.length > 0) tellOfPush(loginScript, request, false);
};
