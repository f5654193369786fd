import { hash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import { leafHash, leafOf } from '../../src/evidence/leaf.ts';

const EVENT: StoredEvent = {
  id: '0199f0c0-0000-7000-8000-000000000001',
  stream: 'consent-0a1b',
  revision: 4,
  position: 77,
  type: 'ConsentAuthorised',
  version: 3,
  compatibleFrom: 2,
  recordedAt: 1_763_877_600_123,
  actor: { kind: 'device', id: 'DEV-1' },
  correlationId: '0a1b',
  causationId: '0199f0c0-0000-7000-8000-000000000000',
  data: '{"at":1763877600}',
  sealed: 'c2VhbGVk',
};
const sha256 = (text: string): string => hash('sha256', text, 'base64url');

describe('the leaf of a fact', () => {
  test('is this text, which no release may change', () => {
    expect(leafOf(EVENT)).toBe(
      '{"ac":"device:DEV-1","ca":"0199f0c0-0000-7000-8000-000000000000","cf":2,"co":"0a1b",' +
        `"dh":"${sha256('{"at":1763877600}')}","id":"0199f0c0-0000-7000-8000-000000000001","rv":4,"sh":"${sha256('c2VhbGVk')}",` +
        '"st":"consent-0a1b","ts":1763877600123,"ty":"ConsentAuthorised.v3","v":1}',
    );
    expect(leafHash(leafOf(EVENT)).toString('hex')).toBe(hash('sha256', Buffer.concat([Buffer.of(0), Buffer.from(leafOf(EVENT))])));
  });

  test('has its members in the order of RFC 8785', () => {
    const members = Object.keys(JSON.parse(leafOf(EVENT)));
    expect(members).toEqual(members.toSorted());
  });

  test('says nothing for what a fact has not', () => {
    const { ca, cf, sh } = JSON.parse(leafOf({ ...EVENT, causationId: null, compatibleFrom: undefined, sealed: null }));
    expect([ca, cf, sh]).toEqual(['', 3, '']);
  });

  test('covers every member of the envelope but the position, which the tree gives', () => {
    const changed: Required<{ [Member in keyof StoredEvent]: StoredEvent[Member] }> = {
      id: '0199f0c0-0000-7000-8000-000000000002',
      stream: 'consent-0a1c',
      revision: 5,
      position: 78,
      type: 'ConsentRejected',
      version: 4,
      compatibleFrom: 3,
      recordedAt: 1_763_877_600_124,
      actor: { kind: 'psu', id: 'DEV-1' },
      correlationId: '0a1c',
      causationId: null,
      data: '{"at":1763877601}',
      sealed: null,
    };
    const covered = Object.entries(changed).filter(([member, value]) => leafOf({ ...EVENT, [member]: value }) !== leafOf(EVENT));
    expect(covered.map(([member]) => member)).toEqual(Object.keys(changed).filter((member) => member !== 'position'));
    expect(leafOf({ ...EVENT, actor: { kind: 'device', id: 'DEV-2' } })).not.toBe(leafOf(EVENT));
  });

  test('is hashed as UTF-8, whatever an id is made of', () => {
    const leaf = leafOf({ ...EVENT, correlationId: 'Übung "1"\n\u0000' });
    expect(JSON.parse(leaf).co).toBe('Übung "1"\n\u0000');
    expect(leafHash(leaf).toString('hex')).toBe(hash('sha256', Buffer.concat([Buffer.of(0), Buffer.from(leaf, 'utf8')])));
  });
});
