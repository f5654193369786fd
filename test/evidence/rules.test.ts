import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { families } from '../../src/domain/catalogue.ts';
import type { EventFamily, Versions } from '../../src/domain/events.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import type { BundledFact } from '../../src/evidence/bundle.ts';
import { KNOWN, membersIn } from '../../src/evidence/rules/known.ts';
import { ALLOWED, ENDS } from './allowed.ts';
import { bundleOf, factsOf, headOf, newSigner, verified } from './bundles.ts';
import { forgeries, madeBy } from './forgeries.ts';
import { makeHistory } from './histories.ts';

// biome-ignore lint/suspicious/noExplicitAny: any family, any event type
type AnyFamily = EventFamily<Record<string, Versions<any, any>>>;

// What facts of version 1 do not have; those that a session gave need a newer one.
const ONLY_IN_NEWER: Readonly<Record<string, readonly string[]>> = {
  ClientRegistered: ['registrationTokenHash'],
  DeviceRegistered: ['dialect'],
  CibaRequestReceived: ['deliveryMode', 'dpopKeyThumbprint', 'supersedes'],
  ConsentRetrieved: ['sessionId'],
  CibaRequestApproved: ['sessionId'],
  ConsentAuthorised: ['hasAuthorizationDetails'],
  GrantOpened: ['certificateThumbprint', 'dpopKeyThumbprint', 'hasAuthorizationDetails'],
  AccessTokenIssued: ['dpopKeyThumbprint'],
  RefreshTokenIssued: ['replaces', 'nonce'],
};

/** The same fact as the first version would have said it, if it can; what is sealed belongs to the newer one and stays sealed. */
const asOlder = ({ key: _, ...fact }: BundledFact): BundledFact => {
  const { event } = fact;
  const data = JSON.parse(event.data);
  const members = ONLY_IN_NEWER[event.type];
  if (members === undefined || data.deviceId === null || typeof data.replaces === 'string') return fact;
  for (const member of members) delete data[member];
  return { ...fact, event: { ...event, version: 1, data: JSON.stringify(data) } };
};

describe('the rules', () => {
  test('know every type and version of the catalogue, and what is sealed in it', () => {
    const ours = [...KNOWN].flatMap(([type, { category, versions }]) =>
      versions.map(({ members, sealed }, at) => [`${category} ${type} ${at + 1}`, sealed, members.map(([name]) => name).sort()]),
    );
    const theirs = (families as unknown as readonly AnyFamily[]).flatMap(({ category, definitions }) =>
      Object.entries(definitions).flatMap(([type, { schemas, personal }]) =>
        schemas.map((schema, at) => [
          `${category} ${type} ${at + 1}`,
          personal === null || personal.schemas[at] === null ? 'never' : personal.optional ? 'maybe' : 'always',
          Object.keys(schema.shape).sort(),
        ]),
      ),
    );
    expect(ours.sort()).toEqual(theirs.sort());
  });

  test('are written down with the same types', () => {
    const docs = readFileSync(join(import.meta.dirname, '../../docs/verify.md'), 'utf8');
    const written = docs.slice(docs.indexOf('| category | type |')).trimEnd().split('\n').slice(2);
    const known = [...KNOWN].flatMap(([type, { category, versions }]) =>
      versions.map(
        ({ members, sealed }, at) =>
          `| ${category} | ${type} | ${at + 1} | ${members.map((member) => member.join(':')).join(' ')} | ${sealed} |`,
      ),
    );
    expect(written).toEqual(known);
  });

  test('read every stored event of the catalogue', () => {
    const catalogue = join(import.meta.dirname, '../catalogue');
    for (const file of readdirSync(catalogue).filter((name) => name.endsWith('.json'))) {
      const { stored } = JSON.parse(readFileSync(join(catalogue, file), 'utf8')) as { stored: StoredEvent };
      const version = KNOWN.get(stored.type)?.versions[stored.version - 1];
      expect([file, version && membersIn(stored.data, version, false)]).toEqual([file, JSON.parse(stored.data)]);
    }
  });

  test('are kept by a log whose facts are of older versions', async () => {
    const signer = newSigner();
    const older = factsOf(await makeHistory(52, 20)).map(asOlder);
    expect(new Set(older.filter(({ event }) => event.version === 1).map(({ event }) => event.type))).toEqual(
      new Set([
        ...older.map(({ event }) => event.type).filter((type) => KNOWN.get(type)?.versions.length === 1),
        ...Object.keys(ONLY_IN_NEWER),
      ]),
    );
    expect(verified(bundleOf(headOf(older, signer), older)).doubts).toEqual([]);
  });

  test('are broken by what an insider forges who has every key and signs all of it anew, at that fact', async () => {
    const signer = newSigner();
    const rules = new Set<string>();
    for (const { name, rule, facts, index, at } of await forgeries()) {
      const { doubts } = verified(bundleOf(headOf(facts, signer), facts));
      const places = doubts.map((doubt) => `${doubt.rule} ${at === undefined ? doubt.index : facts[doubt.index ?? -1]?.event.type}`);
      expect([name, places]).toEqual([name, expect.arrayContaining([expect.stringMatching(`^${rule} ${at ?? `${index}$`}`)])]);
      // What comes of it later may be in doubt as well; nothing before it is.
      const first = Math.min(...doubts.map((doubt) => doubt.index ?? Number.NaN));
      expect([name, at === undefined ? first === index : first >= index]).toEqual([name, true]);
      rules.add(rule);
    }
    expect(rules).toEqual(new Set([...Array.from({ length: 16 }, (_, at) => `R${at + 1}`), 'P1', 'P2', 'P3', 'S2', 'S3', 'S4']));
  }, 120_000);

  test('leave what stands at their border, and half a minute behind an end by both clocks', async () => {
    const signer = newSigner();
    const doubtsAt = ({ facts, index }: Awaited<ReturnType<typeof forgeries>>[number]) =>
      verified(bundleOf(headOf(facts, signer), facts))
        .doubts.filter((doubt) => doubt.index === index)
        .map(({ rule }) => rule);
    for (const made of await madeBy(ALLOWED)) expect([made.name, doubtsAt(made)]).toEqual([made.name, []]);
    for (const before of [
      { at: 31, recordedAt: 30_000 },
      { at: 30, recordedAt: 30_001 },
    ])
      for (const made of await madeBy(ENDS(before)))
        expect([made.name, before, doubtsAt(made)]).toEqual([made.name, before, expect.arrayContaining([made.rule])]);
  });
});
