import type { BundledFact } from '../../src/evidence/bundle.ts';
import {
  again,
  beginningOf,
  changed,
  dataOf,
  edit,
  endedBefore,
  type Facts,
  idOf,
  type Json,
  ofNothing,
  type Recipe,
  rearranged,
  shownAt,
  streamOf,
  withData,
} from './recipes.ts';

const clientEnded = (clientId: string) => ({ stream: `client-${clientId}`, type: 'ClientDisabled', data: {} });
const deviceEnded = ({ deviceId, psuId }: Json) =>
  deviceId === null ? null : { stream: `device-${deviceId}`, type: 'DeviceRevoked', data: { psuId, by: 'psu' } };

/** A client whose facts were left out, and what it does. */
const neverRegistered = (at: string): Recipe =>
  rearranged(`a client that was never registered (${at})`, 'R1', at, (facts) => {
    const left = facts.filter(({ event }) => !event.stream.startsWith('client-tpp-1')).map((fact, index) => ({ ...fact, index }));
    const index = left.findIndex((fact) => dataOf(fact).clientId === 'tpp-1');
    return left.some((fact) => fact.event.type === at && dataOf(fact).clientId === 'tpp-1') ? { facts: left, index } : null;
  });

/** A device that is registered only behind its answer, or never. */
const registeredLate = (answer: string, isLate: boolean): Recipe =>
  rearranged(`${answer}: by a device that was registered ${isLate ? 'later' : 'never'}`, 'R2', answer, (facts) => {
    const given = facts.findLast((fact) => fact.event.type === answer && dataOf(fact).deviceId !== null);
    if (given === undefined) return null;
    const { deviceId } = dataOf(given);
    const isOfDevice = ({ event }: BundledFact) => event.stream === `device-${deviceId}`;
    const before = facts.slice(0, given.index + 1);
    const left = [...before.filter((fact) => !isOfDevice(fact)), ...before.filter((fact) => isLate && isOfDevice(fact))];
    const all = [...left, ...facts.slice(given.index + 1).filter((fact) => isLate || !isOfDevice(fact))];
    const index = all.findIndex((fact) => fact.event.type === 'ConsentRetrieved' && dataOf(fact).deviceId === deviceId);
    return { facts: all, index };
  });

const otherDevice = (facts: Facts, { deviceId, psuId }: Json, isOfPsu: boolean): string | null => {
  const other = facts.find(
    (fact) =>
      fact.event.type === 'DeviceRegistered' &&
      `device-${deviceId}` !== fact.event.stream &&
      (dataOf(fact).psuId === psuId) === isOfPsu &&
      !streamOf(facts, fact).some(({ event }) => event.type === 'DeviceRevoked'),
  );
  return other === undefined || deviceId === null ? null : idOf(other);
};
const onDeviceOfAnother = (data: Json, _: BundledFact, facts: Facts): Json | null => {
  const deviceId = otherDevice(facts, data, false);
  return deviceId === null ? null : { ...data, deviceId };
};
const inSession = (data: Json) => data.sessionId != null;

/** What breaks the rules of clients (R1), devices (R2), sign-ins (R15) and erasures (R16). */
export const OF_PARTIES: readonly Recipe[] = [
  ...['CibaRequestReceived', 'AuthorizationRequested', 'ConsentLodged'].map(neverRegistered),
  again('ClientRegistered', 'R1', 'again'),
  again('ClientDisabled', 'R1', 'again'),
  ofNothing('ClientMetadataReplaced', 'R1'),
  ...['CibaRequestReceived', 'AuthorizationRequested', 'GrantOpened'].map((type) =>
    endedBefore(type, 'R1', ({ clientId }) => clientEnded(clientId)),
  ),
  ...['CibaRequestRedeemed', 'AuthorizationCodeRedeemed', 'AccessTokenIssued'].map((type) =>
    endedBefore(type, 'R1', (_, fact, facts) => clientEnded(beginningOf(facts, fact).clientId)),
  ),
  endedBefore('ConsentLodged', 'R1', ({ clientId }, fact, facts) =>
    facts.some(({ event }) => event.stream.endsWith(`-${idOf(fact)}`) && event.stream !== fact.event.stream) ? null : clientEnded(clientId),
  ),

  edit('DeviceRegistered', 'R2', 'another thumbprint', (data) => ({ ...data, keyThumbprint: 'x'.repeat(43) })),
  edit('DeviceRegistered', 'R2', 'another PSU than the offer', (data, { event }) =>
    event.revision === 0 ? null : { ...data, psuId: 'mallory' },
  ),
  edit('DeviceRegistered', 'R2', 'after the end of the offer', (data, fact, facts) =>
    fact.event.revision === 0 ? null : { ...data, at: beginningOf(facts, fact).expiresAt },
  ),
  again('DeviceRegistered', 'R2', 'again', (data, fact, facts) =>
    streamOf(facts, fact).some(({ event }) => event.type === 'DeviceRevoked') ? null : data,
  ),
  again('DeviceEnrolmentOffered', 'R2', 'again'),
  again('DeviceRevoked', 'R2', 'again'),
  ofNothing('DeviceRevoked', 'R2'),
  edit('DeviceRenamed', 'R2', 'of another PSU', (data) => ({ ...data, psuId: 'mallory' })),
  ...['ConsentRetrieved', 'CibaRequestApproved', 'CibaRequestDenied'].flatMap((type) => [
    endedBefore(type, 'R2', deviceEnded),
    edit(type, 'R2', 'on the device of another PSU', onDeviceOfAnother),
  ]),
  ...['CibaRequestApproved', 'CibaRequestDenied'].flatMap((type) => [registeredLate(type, true), registeredLate(type, false)]),
  shownAt(
    'CibaRequestApproved',
    edit('ConsentRetrieved', 'R5', 'on another device of the PSU', (data, fact, facts) => {
      const deviceId = otherDevice(facts, data, true);
      const isApproved = streamOf(facts, fact).some(({ event }) => event.type === 'CibaRequestApproved');
      return deviceId === null || !isApproved ? null : { ...data, deviceId };
    }),
  ),

  again('AuthenticationSucceeded', 'R15', 'again'),
  ...[{ psuId: 'mallory' }, { flow: 'code' }, { step: 'app' }].flatMap((other) =>
    ['ConsentRetrieved', 'CibaRequestApproved'].map((at) =>
      shownAt(
        at,
        edit('AuthenticationSucceeded', 'R15', `${Object.keys(other)} is another`, (data, fact, facts) => {
          const isThere = facts.some((one) => one.event.type === at && dataOf(one).sessionId === idOf(fact));
          return data.flow === 'ciba' && isThere ? { ...data, ...other } : null;
        }),
      ),
    ),
  ),
  shownAt(
    'ConsentRetrieved',
    changed('AuthenticationSucceeded', 'R15', 'it failed', (fact) => {
      const data = dataOf(fact);
      if (data.flow !== 'ciba') return null;
      const { event, ...others } = withData(fact, { ...data, reason: 'x' });
      return { ...others, event: { ...event, type: 'AuthenticationFailed', version: 2 } };
    }),
  ),
  shownAt(
    'ConsentRetrieved',
    edit('AuthenticationSucceeded', 'R15', 'too long ago', (data) => (data.flow === 'ciba' ? { ...data, at: data.at - 700 } : null)),
  ),
  ...['ConsentRetrieved', 'CibaRequestApproved'].flatMap((type) => [
    edit(type, 'R15', 'in a session of nobody', (data) => (inSession(data) ? { ...data, sessionId: 'another' } : null)),
    edit(type, 'R15', 'by another PSU', (data) => (inSession(data) ? { ...data, psuId: 'mallory' } : null)),
  ]),
  ...['AuthorizationShown', 'AuthorizationApproved', 'AuthorizationDenied'].flatMap((type) => [
    edit(type, 'R15', 'in a session of nobody', (data) => ({ ...data, sessionId: 'another' })),
    edit(type, 'R15', 'by another PSU', (data) => ({ ...data, psuId: 'mallory' })),
  ]),
  edit('AuthorizationPsuAuthenticated', 'R15', 'another PSU than the one asked for', (data, fact, facts) =>
    beginningOf(facts, fact).requiredPsuId === null ? null : { ...data, psuId: 'mallory' },
  ),
  edit('AuthorizationPsuAuthenticated', 'R15', 'too late', (data, fact, facts) => ({ ...data, at: beginningOf(facts, fact).expiresAt })),
  again('AuthorizationPsuAuthenticated', 'R15', 'when it was answered', (data, fact, facts) =>
    streamOf(facts, fact).some(({ event }) => event.type === 'AuthorizationApproved') ? data : null,
  ),

  again('PsuErased', 'R16', 'again'),
  edit('PsuErased', 'R16', 'of another PSU', (data) => ({ ...data, psuId: 'mallory' })),
  endedBefore('CibaRequestApproved', 'R16', ({ psuId }) => ({ stream: `psu-${psuId}`, type: 'PsuErased', data: { psuId, reason: 'x' } })),
];
