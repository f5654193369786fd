import { DatabaseSync } from 'node:sqlite';
import { systemIds } from '../src/adapters/clock.ts';
import { insertInto, makeTable } from '../src/adapters/event-store/sqlite-statements.ts';
import { detailTypes } from '../src/domain/authorization-details/registered.ts';
import { answer, cibaRequest, receive, redeem, retrieve } from '../src/domain/ciba-request/decider.ts';
import { consent } from '../src/domain/consent/decider.ts';
import { makeDecide, makeLoad } from '../src/domain/decide.ts';
import { grant, open } from '../src/domain/grant/decider.ts';
import { makePersist } from '../src/domain/persist.ts';
import type { EventStore, StoredEvent } from '../src/domain/ports/event-store.ts';
import type { Sealer } from '../src/domain/ports/sealer.ts';
import { attempted, push, pushIdOf } from '../src/domain/push/decider.ts';
import { command } from './parties.ts';

/** The client of all ceremonies. */
export const CLIENT = 'tpp';

/** Who and what one ceremony is of. */
export interface Cast {
  requestId: string;
  psuId: string;
  deviceId: string;
  keyThumbprint: string;
  accountId: string;
  /** Epoch seconds. */
  at: number;
}

/** What the phone showed, and how it signed its answer to that. */
export interface Answering {
  shown: string;
  jws(over: { digest: string; nonce: string }): string;
}

const SECONDS_OF_ONE_TOKEN = 3600;
const REFRESH_TOKEN_SECONDS = 7_776_000;

/** What ceremonies are made with: real decisions over a store. */
export const deciding = (store: EventStore, sealer: Sealer) => {
  const ids = systemIds;
  const decide = makeDecide({ store, sealer, ids });
  const load = makeLoad(store);
  return { store, decide, load, persist: makePersist({ decide, load, sealer, ids }) };
};
export type Deciding = ReturnType<typeof deciding>;

/** The ten facts of a whole ceremony, by the deciders that a real one goes through: a request, a push, a showing, an approval, its tokens. */
export const ceremony = async (
  { decide, load, persist }: Deciding,
  { requestId, psuId, deviceId, keyThumbprint, accountId, at }: Cast,
  { shown, jws }: Answering,
): Promise<void> => {
  const byClient = () => command(requestId, { kind: 'client', id: CLIENT });
  const byDevice = () => command(requestId, { kind: 'device', id: deviceId });
  const of = { clientId: CLIENT, psuId, consentId: requestId, scope: 'openid accounts', acr: null };
  const unbound = { certificateThumbprint: null, dpopKeyThumbprint: null };
  const terms = { consentOrigin: 'request' as const, intervalSeconds: 5, deliveryMode: 'poll' as const, supersedes: null };
  const received = { ...of, ...unbound, ...terms, at, expiresAt: at + 300 };
  const nothing = { authorizationDetails: null, requestContext: null, notificationToken: null, authReqId: null };
  await decide(cibaRequest, requestId, receive(received, { bindingMessage: 'Payment 1', ...nothing }), byClient());
  const attempt = { requestId, deviceId, tokenRevision: 1, psuId, at, requestExpiresAt: at + 300, mayRepeat: false };
  const sent = attempted(attempt, { outcome: 'accepted', messageId: `message of ${requestId}` });
  await decide(push, pushIdOf(attempt), sent, byDevice());
  const over = { digest: systemIds.hash(shown), nonce: systemIds.secret() };
  await decide(cibaRequest, requestId, retrieve({ psuId, deviceId, sessionId: null, ...over, consentRevision: -1, at }, shown), byDevice());
  const chosen = { accountIds: [accountId], authorizationDetails: null };
  const given = { psuId, deviceId, ...over, ...chosen, verdict: 'approved' as const, keyThumbprint, jws: jws(over), at };
  const parts = { asked: () => null, offered: () => chosen.accountIds, chosen: () => chosen };
  await decide(cibaRequest, requestId, answer(given, { status: 'absent', revision: -1 }, parts, detailTypes), byDevice());
  await persist(requestId);
  const redemption = { clientId: CLIENT, ...unbound, consent: await load(consent, requestId), grantId: requestId, at };
  await decide(cibaRequest, requestId, redeem(redemption), byClient());
  const opened = { ...of, ...unbound, requestId, authTime: at, at, hasAuthorizationDetails: false };
  const accessToken = { tokenHash: systemIds.secret(), scope: of.scope, at, expiresAt: at + SECONDS_OF_ONE_TOKEN, ...unbound };
  const refreshToken = { tokenHash: systemIds.secret(), at, expiresAt: at + REFRESH_TOKEN_SECONDS };
  await decide(grant, requestId, open(opened, accessToken, refreshToken), byClient());
};

const COMMIT_EVENTS = 50_000;

/** A log in a new file, written straight into its table: `write` gives the event with its position, `close` how many there are. */
export const openNewLog = (file: string) => {
  const db = new DatabaseSync(file);
  db.exec('pragma journal_mode=wal; pragma synchronous=off; pragma cache_size=-262144');
  makeTable(db);
  const insert = insertInto(db);
  let written = 0;
  db.exec('begin');
  return {
    write(event: StoredEvent): StoredEvent {
      written += 1;
      const stored = { ...event, position: written };
      insert(stored);
      if (written % COMMIT_EVENTS === 0) db.exec('commit; begin');
      return stored;
    },
    close(): number {
      db.exec('commit; pragma wal_checkpoint(truncate)');
      db.close();
      return written;
    },
  };
};
