import type { DomainEvent } from '../domain/catalogue.ts';
import type { Rows } from '../domain/ports/rows.ts';
import { type OurAlg, type SigningKeys, signingKey } from '../domain/signing-key/decider.ts';
import type { EventOfType, Projection } from './projection.ts';

/** The events that change what is signed with or published. */
export const SIGNING_KEY_CHANGES = [
  'SigningKeyPublished',
  'SigningKeyActivated',
  'SigningKeyRetired',
  'SigningKeyRemoved',
] as const satisfies readonly DomainEvent['type'][];

const apply = (rows: Rows, event: EventOfType<(typeof SIGNING_KEY_CHANGES)[number]>): void => {
  const keys = signingKey.evolve(findSigningKeys(rows, event.id as OurAlg), event);
  rows.run('insert or replace into signing_key values (?, ?)', event.id, JSON.stringify(keys));
};

/** The signing keys of each algorithm, as their decider sees them. */
export const signingKeys: Projection = {
  name: 'signing_keys',
  version: 1,
  tables: { signing_key: ['create table signing_key (alg text primary key, keys text not null) strict, without rowid'] },
  on: { SigningKeyPublished: apply, SigningKeyActivated: apply, SigningKeyRetired: apply, SigningKeyRemoved: apply },
};

/** All keys of an algorithm that there ever were. */
export const findSigningKeys = (rows: Rows, alg: OurAlg): SigningKeys => {
  const row = rows.get<{ keys: string }>('select keys from signing_key where alg = ?', alg);
  return row === undefined ? signingKey.initial : (JSON.parse(row.keys) as SigningKeys);
};
