import type { BundledFact } from '../../src/evidence/bundle.ts';
import {
  beginningOf,
  changed,
  dataOf,
  edit,
  endedBefore,
  idOf,
  type Json,
  type Recipe,
  rearranged,
  streamOf,
  withData,
} from './recipes.ts';

const HALF_A_MINUTE = { at: 30, recordedAt: 30_000 };
const clientEnded = ({ clientId }: Json) => ({ stream: `client-${clientId}`, type: 'ClientDisabled', data: {} });

/** What ends streams that decisions read, each with what is decided then, and the rule that says so when it is long behind. */
export const ENDS = (before = HALF_A_MINUTE): readonly Recipe[] => [
  endedBefore('GrantOpened', 'R1', clientEnded, before),
  endedBefore(
    'CibaRequestApproved',
    'R2',
    ({ deviceId, psuId }) =>
      deviceId === null ? null : { stream: `device-${deviceId}`, type: 'DeviceRevoked', data: { psuId, by: 'psu' } },
    before,
  ),
  endedBefore(
    'AccessTokenIssued',
    'R12',
    (_, fact, facts) => {
      const { consentId } = beginningOf(facts, fact);
      return consentId === null ? null : { stream: `consent-${consentId}`, type: 'ConsentRevoked', data: { by: 'psu' } };
    },
    before,
  ),
  endedBefore(
    'CibaRequestApproved',
    'R16',
    ({ psuId }) => ({ stream: `psu-${psuId}`, type: 'PsuErased', data: { psuId, reason: 'x' } }),
    before,
  ),
];

const none = '';

/** What no rule is against, although it stands at its border. */
export const ALLOWED: readonly Recipe[] = [
  ...ENDS(),
  edit('CibaRequestExpired', none, 'at its end', (data, fact, facts) => ({ ...data, at: beginningOf(facts, fact).expiresAt })),
  edit('CibaRequestReceived', none, 'in the place of an older one', (data, fact, facts) => {
    const older = facts.find((one) => one.event.type === fact.event.type && dataOf(one).clientId === data.clientId);
    return older === undefined || older.index >= fact.index ? null : { ...data, supersedes: idOf(older) };
  }),
  edit('GrantOpened', none, 'half a minute behind the end of its request', (data, fact, facts) => {
    const request = facts.find((one) => one.event.stream === `cibaRequest-${idOf(fact)}`);
    const consent = facts.filter((one) => one.event.stream === `consent-${data.consentId}`);
    const endless = consent.every((one) => dataOf(one).expiresAt == null) && consent.every((one) => one.event.type !== 'ConsentRevoked');
    return request === undefined || !endless ? null : { ...data, at: dataOf(request).expiresAt + 29 };
  }),
  endedBefore('ConsentLodged', none, ({ clientId }, fact, facts) =>
    facts.some(({ event }) => event.stream === `cibaRequest-${idOf(fact)}`) ? clientEnded({ clientId }) : null,
  ),
  changed('AccessTokenIssued', none, 'of a newer version that can be read', (fact) => {
    const { event, ...others } = withData(fact, { ...dataOf(fact), more: 1 });
    return { ...others, event: { ...event, version: 99, compatibleFrom: 2 } };
  }),
  edit('AccessTokenIssued', none, 'half a minute behind the end of its consent', (data, fact, facts) => {
    const { consentId } = beginningOf(facts, fact);
    const consent = facts.filter((one) => one.event.stream === `consent-${consentId}`);
    const { expiresAt = null } = consent[0] === undefined ? {} : dataOf(consent[0]);
    const isPlain = consent.every(({ event }) => !/^Consent(Amended|Revoked|Expired)$/.test(event.type));
    return expiresAt === null || !isPlain || fact.event.revision > 1 ? null : { ...data, at: expiresAt + 29 };
  }),
  ...[{ certificateThumbprint: 'x' }, { dpopKeyThumbprint: 'x' }].flatMap((bound) =>
    [2, 1].map(
      (version): Recipe => ({
        ...{ name: `GrantOpened: of version ${version}, bound by ${Object.keys(bound)}`, rule: none },
        make(facts) {
          const index = facts.findLastIndex(
            (fact) => fact.event.type === 'GrantOpened' && facts.some(({ event }) => event.stream === `cibaRequest-${idOf(fact)}`),
          );
          const grant = facts[index];
          if (grant === undefined) return null;
          const at = facts.findIndex(({ event }) => event.stream === `cibaRequest-${idOf(grant)}`);
          const request = facts[at] as BundledFact;
          const { certificateThumbprint: _, dpopKeyThumbprint: __, hasAuthorizationDetails: ___, ...older } = dataOf(grant);
          const opened = version === 1 ? { ...grant, event: { ...grant.event, version } } : grant;
          return {
            facts: facts
              .with(at, withData(request, { ...dataOf(request), ...bound }))
              .with(index, withData(opened, version === 1 ? older : { ...dataOf(grant), ...bound })),
            index,
          };
        },
      }),
    ),
  ),
  edit('DeviceRegistered', none, 'with a key whose numbers are spelt otherwise', (data) =>
    data.publicKey.kty === 'EC' ? { ...data, publicKey: { ...data.publicKey, x: `${data.publicKey.x}=` } } : null,
  ),
  rearranged('ConsentFileUploaded: another one, when the consent was amended', none, 'ConsentFileUploaded', (facts) => {
    const uploaded = facts.findLast(
      (fact) =>
        fact.event.type === 'ConsentFileUploaded' &&
        !streamOf(facts, fact).some(({ event }) => /^Consent(Rejected|Revoked|Expired|Amended)$/.test(event.type)),
    );
    if (uploaded === undefined) return null;
    const { key: _, ...fact } = uploaded;
    const endedRequests = streamOf(facts, fact).flatMap((one) => dataOf(one).requestId ?? []);
    const data = { content: {}, expiresAt: null, reason: 'x', endedRequests, at: dataOf(fact).at };
    const amended = { ...fact, event: { ...fact.event, id: 'amended', type: 'ConsentAmended', data: JSON.stringify(data) } };
    return { facts: [...facts, amended, { ...fact, event: { ...fact.event, id: 'uploaded' } }], index: facts.length + 1 };
  }),
];
