import { hash } from 'node:crypto';
import type { BundledFact } from '../../src/evidence/bundle.ts';
import {
  changed,
  dataOf,
  type Facts,
  type Json,
  personalOf,
  type Recipe,
  resealed,
  shownAt,
  streamOf,
  withData,
  withPersonal,
} from './recipes.ts';

const APPROVED = 'CibaRequestApproved';

/** Another text was shown, and the digest is right. */
const reshown = (
  type: string,
  what: string,
  change: (shown: Json, fact: BundledFact, facts: Facts) => Json | null,
  where: (fact: BundledFact, facts: Facts) => boolean = () => true,
): Recipe =>
  changed(type, 'R6', `shown, ${what}`, (fact, facts) => {
    const text = personalOf(fact)?.shown;
    const shown = text === undefined || !where(fact, facts) ? null : change(JSON.parse(text), fact, facts);
    if (shown === null) return null;
    const other = typeof shown === 'string' ? shown : JSON.stringify(shown);
    return withPersonal(withData(fact, { ...dataOf(fact), digest: hash('sha256', other, 'base64url') }), { shown: other });
  });

/** What language the device of a fact speaks; null where it is of none. */
export const dialectOf = (fact: BundledFact, facts: Facts): string | null => {
  const registered = facts.find(({ event }) => event.type === 'DeviceRegistered' && event.stream === `device-${dataOf(fact).deviceId}`);
  return registered === undefined ? null : dataOf(registered).dialect;
};

const isApproved = (fact: BundledFact, facts: Facts): boolean => streamOf(facts, fact).some(({ event }) => event.type === APPROVED);
const isOfPhone = (fact: BundledFact, facts: Facts): boolean => dialectOf(fact, facts)?.startsWith('push') ?? false;

/** What breaks the rule of evidence (R6) in showings. */
export const OF_SHOWINGS: readonly Recipe[] = [
  resealed('ConsentRetrieved', 'R6', 'another text', (personal) => ({ shown: personal.shown.replace('{', '{ ') })),
  resealed('AuthorizationShown', 'R6', 'another text', (personal) => ({ shown: `${personal.shown} ` })),
  ...['ConsentRetrieved', 'AuthorizationShown'].flatMap((type) => [
    ...['x', '[]', 'null'].map((text) => reshown(type, `no object but ${text}`, () => text)),
    ...['request_id', 'scope'].map((member) =>
      reshown(type, `another ${member}`, (shown) => (shown[member] === undefined ? null : { ...shown, [member]: 'another' })),
    ),
    ...['client_id', 'redirect_uri'].map((member) =>
      reshown(type, `another ${member}`, (shown) =>
        shown.client === undefined ? null : { ...shown, client: { ...shown.client, [member]: 'another' } },
      ),
    ),
    reshown(type, 'another consent', (shown) => (shown.client === undefined ? null : { ...shown, consent: { consent_id: 'another' } })),
    reshown(type, 'other details', (shown) => ({ ...shown, authorization_details: [{ type: 'another' }] })),
    reshown(type, 'another message', (shown) => ({ ...shown, binding_message: 'Pay <2>' })),
  ]),
  ...['push-auth', 'push'].map((dialect) =>
    reshown(
      'ConsentRetrieved',
      `another session, ${dialect}`,
      ({ data, ...shown }) => ({ ...shown, data: { ...data, pushId: 'another', sessionDataKey: 'another' } }),
      (fact, facts) => dialectOf(fact, facts) === dialect,
    ),
  ),
  shownAt(
    APPROVED,
    reshown(
      'ConsentRetrieved',
      'not all of it',
      (shown) => ({ ...shown, whole: false }),
      (fact, facts) => isOfPhone(fact, facts) && isApproved(fact, facts),
    ),
  ),
  shownAt(
    'ConsentRetrieved',
    resealed('CibaRequestReceived', 'R6', 'it asked for something else', (personal) => ({ ...personal, bindingMessage: 'Pay <2>' })),
  ),
  shownAt(
    'AuthorizationShown',
    resealed('AuthorizationRequested', 'R6', 'it asked for something else', (personal) => ({
      ...personal,
      authorizationDetails: [{ type: 'x' }],
    })),
  ),

  ...['ConsentRetrieved', 'AuthorizationShown'].flatMap((type) => [
    resealed(type, 'P3', 'nothing', () => ({})),
    resealed(type, 'P3', 'no text', () => ({ shown: {} })),
    resealed(type, 'P3', 'no object', () => []),
  ]),
];
