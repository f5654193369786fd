import { consent, isOf, type LodgedConsent, revokeAuthorised } from '../../domain/consent/decider.ts';
import { fileOf } from '../../domain/consent/receipt.ts';
import type { Decide } from '../../domain/decide.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { searchConsents } from '../../projections/consent-lookup.ts';
import { latestFacts } from '../../projections/consent-service.ts';
import { expireConsents } from '../../projections/reactions/end-what-is-over.ts';
import { queryText } from '../body.ts';
import { parse } from '../parse.ts';
import type { ReadModels } from '../read-models.ts';
import { json, noContent } from '../reply.ts';
import type { Call, Handler, Route, RouteDoc } from '../route.ts';
import { PATHS } from '../surface.ts';
import type { UserOf } from '../user-of.ts';
import * as docs from './admin-docs.ts';
import { asSeenBy, type MakeResource } from './consent-resource.ts';
import { type Officer, type Reader, refusedOfficer } from './officer.ts';
import { statusAudits } from './status-audit.ts';
import type { ReadStory, Story } from './story.ts';

interface Deps {
  officer: Officer;
  readStory: ReadStory;
  resource: MakeResource;
  decide: Decide;
  readModels: ReadModels;
  sealer: Sealer;
  clock: Clock;
  ids: Ids;
  userOf: UserOf;
}

// At once, so that expiring many leaves the engine time for others.
const EXPIRED_AT_ONCE = 100;

/** Searching, revoking and auditing consents, by an officer of the ASPSP or by a PSU. */
export const adminRoutes = (deps: Deps): Route[] => {
  const { officer, readStory, resource, decide, readModels, sealer, clock, ids, userOf } = deps;
  const { rows } = readModels;

  /** The story of a consent that the reader may see, and the consent; what they may not see does not exist. */
  const storyFor = async (consentId: string, { psuId }: Reader): Promise<{ story: Story; state: LodgedConsent }> => {
    const story = await readStory(consentId);
    const state = story.at(-1)?.after;
    if (state === undefined || (psuId !== null && !isOf(state, psuId))) throw unknown();
    return { story, state };
  };

  const search: Handler = async (call) => {
    const reader = await officer.reader(call);
    const query = parse(docs.searchQuery, queryOf(call));
    const at = clock();
    const among = listOf(query.consentStatuses)?.map((word) => (word === 'Expired' ? 'expired' : word));
    const filter = {
      consentIds: listOf(query.consentIDs),
      clientIds: listOf(query.clientIDs),
      consentTypes: listOf(query.consentTypes),
      statuses: among === undefined ? null : { among, at },
      psuIds: reader.psuId === null ? (listOf(query.userIDs)?.map(userOf) ?? null) : [reader.psuId],
      accountIds: listOf(query.accountIDs),
      from: query.fromTime ?? null,
      to: query.toTime ?? null,
    };
    await readModels.latest();
    const { consentIds, total } = searchConsents(rows, filter, query);
    const data = await Promise.all(
      consentIds.map(async (consentId) => asSeenBy(reader.psuId, resource(consentId, await readStory(consentId), at))),
    );
    return json(200, { data, metadata: pageOf(query, data.length, total) });
  };

  const revokeConsent: Handler = async (call) => {
    const reader = await officer.reader(call);
    const { consentID: consentId, userID } = parse(docs.revokeQuery, queryOf(call));
    const { state } = await storyFor(consentId, reader);
    if (reader.psuId === null && userID !== undefined && !isOf(state, userOf(userID))) throw unknown();
    const by = reader.psuId === null ? 'operator' : 'psu';
    const command = { id: ids.uuid(), actor: reader.actor, correlationId: consentId, causationId: null };
    const { position } = await decide(consent, consentId, revokeAuthorised({ by, at: clock() }), command);
    await readModels.reached(position);
    return noContent(204);
  };

  const audit: Handler = async (call) => {
    const { psuId } = await officer.reader(call);
    const query = parse(docs.auditQuery, queryOf(call));
    await readModels.latest();
    const { facts, total } = latestFacts(rows, { consentIds: listOf(query.consentIDs), psuIds: psuId === null ? null : [psuId] }, query);
    const stories = new Map<string, Story>();
    for (const { consentId } of facts) if (!stories.has(consentId)) stories.set(consentId, await readStory(consentId));
    const data = facts.flatMap(({ position, consentId }) => {
      const story = stories.get(consentId) ?? [];
      return statusAudits(consentId, story).filter((_, index) => story[index]?.event.position === position);
    });
    return json(200, { data, metadata: pageOf(query, data.length, total) });
  };

  const file: Handler = async (call) => {
    const reader = await officer.reader(call);
    const { consentId } = parse(docs.oneConsentQuery, queryOf(call));
    const { state } = await storyFor(consentId, reader);
    const consentFile = fileOf(state, sealer);
    if (consentFile === null) throw new OAuthError('invalid_request', 'the consent has no file');
    return json(200, { consentFile });
  };

  const amendments: Handler = async (call) => {
    const reader = await officer.reader(call);
    const { consentId } = parse(docs.oneConsentQuery, queryOf(call));
    const { story } = await storyFor(consentId, reader);
    const seen = (until: number, at: number) => asSeenBy(reader.psuId, resource(consentId, story.slice(0, until), at));
    const consentAmendmentHistory = story.flatMap(({ event }, index) =>
      event.type === 'ConsentAmended'
        ? [
            {
              historyId: event.eventId,
              amendedReason: event.data.reason,
              amendedTime: event.data.at,
              consentData: seen(index, event.data.at),
            },
          ]
        : [],
    );
    const metadata = { amendmentCount: consentAmendmentHistory.length };
    return json(200, { consentID: consentId, currentConsent: seen(story.length, clock()), consentAmendmentHistory, metadata });
  };

  const ending = expireConsents({ ...deps, rows });
  const expire: Handler = async (call) => {
    await onlyOfficer(officer, call);
    await readModels.latest();
    for (let due = ending.due(EXPIRED_AT_ONCE); due.length > 0; due = ending.due(EXPIRED_AT_ONCE)) {
      await Promise.all(due.map(({ act }) => act(false)));
      await readModels.latest();
    }
    return noContent(204);
  };

  const retain: Handler = async (call) => {
    await onlyOfficer(officer, call);
    return noContent(204);
  };

  const at = (method: Route['method'], path: string, doc: RouteDoc, handle: Handler): Route => ({
    method,
    path,
    doc,
    handle,
    refuse: refusedOfficer,
  });
  const { consentAdmin, consentPortal } = PATHS;
  return [
    ...[consentAdmin, consentPortal].flatMap((base) => [
      at('GET', `${base}/search`, docs.searchDoc, search),
      at('DELETE', `${base}/revoke`, docs.revokeDoc, revokeConsent),
    ]),
    at('GET', `${consentAdmin}/search/consent-status-audit`, docs.auditDoc, audit),
    at('GET', `${consentAdmin}/search/consent-file`, docs.fileDoc, file),
    at('GET', `${consentAdmin}/consent-amendment-history`, docs.amendmentsDoc, amendments),
    at('GET', `${consentAdmin}/expire-consents`, docs.expireDoc, expire),
    at('GET', `${consentAdmin}/sync-temporary-retention-data`, docs.retentionDoc, retain),
  ];
};

const unknown = () => new OAuthError('invalid_request', 'no such consent');

const onlyOfficer = async (officer: Officer, call: Call): Promise<void> => {
  if ((await officer.reader(call)).psuId !== null) throw new OAuthError('insufficient_scope', 'this is for officers');
};

/** The query; a parameter that is repeated is one list. */
const queryOf = (call: Call): Record<string, string> => {
  const given = new URLSearchParams(queryText(call));
  return Object.fromEntries([...new Set(given.keys())].map((name) => [name, given.getAll(name).join(',')]));
};

const listOf = (given: string | undefined): string[] | null => {
  const items = given?.split(',').filter((item) => item !== '') ?? [];
  return items.length === 0 ? null : items;
};

const pageOf = ({ limit, offset }: { limit: number; offset: number }, count: number, total: number) => ({ count, offset, limit, total });
