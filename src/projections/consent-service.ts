import { consentEvents } from '../domain/consent/events.ts';
import type { Rows } from '../domain/ports/rows.ts';
import type { Sealer } from '../domain/ports/sealer.ts';
import { type ConsentFilter, conditionOf } from './consent-lookup.ts';
import type { EventOfType, Projection } from './projection.ts';

/**
 * What an officer of the ASPSP searches by, beside the consents themselves: the facts of all consents in their order, and the accounts that
 * consents were given for (docs/decisions/0013). The accounts are personal: those of a PSU go when they are erased or their time
 * is over, and a rebuild finds none of a PSU whose key is gone.
 */
export const consentService = (sealer: Sealer): Projection => {
  const given = (rows: Rows, event: EventOfType<'ConsentAuthorised' | 'ConsentAuthorisationGiven'>) => {
    happened(rows, event);
    const { accountIds = [] } = consentEvents.open(event.type, event.sealed, sealer) ?? {};
    for (const accountId of accountIds)
      rows.run('insert or ignore into consent_account values (?, ?, ?)', accountId, event.id, event.data.psuId);
  };
  return {
    name: 'consent_service',
    version: 2,
    tables: {
      consent_fact: [
        'create table consent_fact (position integer primary key, consent_id text not null) strict',
        'create index consent_fact_consent on consent_fact (consent_id)',
      ],
      consent_account: [
        `create table consent_account (
          account_id text, consent_id text, psu_id text, primary key (account_id, consent_id, psu_id)
        ) strict, without rowid`,
      ],
    },
    on: {
      ConsentLodged: happened,
      ConsentFileUploaded: happened,
      ConsentAuthorisationGiven: given,
      ConsentAuthorised: given,
      ConsentRejected: happened,
      ConsentAmended: happened,
      PsuErased: (rows, { data }) => forgetAccountsOf(rows, data.psuId),
      // Also what came in between.
      PsuKeysDestroyed: (rows, { data }) => forgetAccountsOf(rows, data.psuId),
      PsuDataExpired: (rows, { data }) => {
        if (data.retention === 'consent' || data.retention === 'all') forgetAccountsOf(rows, data.psuId);
      },
      ConsentRevoked: happened,
      ConsentExpired: happened,
    },
  };
};

const happened = (rows: Rows, { position, id }: { position: number; id: string }) =>
  rows.run('insert into consent_fact values (?, ?)', position, id);

/** Which of the consents that fit the facts are of, newest fact first, and how many facts of them there are. */
export const latestFacts = (
  rows: Rows,
  filter: Pick<ConsentFilter, 'consentIds' | 'psuIds'>,
  { limit, offset }: { limit: number; offset: number },
): { facts: readonly { position: number; consentId: string }[]; total: number } => {
  const { where, values } = conditionOf(filter);
  return {
    facts: rows.all(
      `select position, consent_id as consentId from consent_fact ${where} order by position desc limit ? offset ?`,
      ...values,
      limit,
      offset,
    ),
    total: rows.get<{ total: number }>(`select count(*) as total from consent_fact ${where}`, ...values)?.total ?? 0,
  };
};

/** Takes a PSU's accounts out of these rows. */
const forgetAccountsOf = (rows: Rows, psuId: string): void => rows.run('delete from consent_account where psu_id = ?', psuId);
