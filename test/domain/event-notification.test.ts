import { describe, expect, test } from '@jest/globals';
import {
  acknowledge,
  create,
  delivered,
  eventNotification,
  isToBeCalled,
  reportError,
  toldIn,
} from '../../src/domain/event-notification/decider.ts';
import type { EventNotificationFact } from '../../src/domain/event-notification/events.ts';
import { eventSubscription, subscribe, unsubscribe, update } from '../../src/domain/event-notification/subscription.ts';
import type { EventSubscriptionFact } from '../../src/domain/event-notification/subscription-events.ts';
import { topicOf } from '../../src/domain/event-notification/topics.ts';
import { given, stateOf } from '../support/given.ts';

describe('an event notification', () => {
  const data = { clientId: 'tpp', psuId: 'consent c-1', eventTypes: ['news'], changeId: 'change-1', at: 1000 };
  const told = { resourceId: 'c-1', events: { news: { consentID: 'c-1' } } };
  const created: EventNotificationFact = { type: 'EventNotificationCreated', data, personal: told };
  const acknowledged: EventNotificationFact = { type: 'EventNotificationAcknowledged', data: { at: 1001 } };
  const failed: EventNotificationFact = {
    type: 'EventNotificationErrorReported',
    data: { err: 'jwtParse', at: 1001 },
    personal: { description: 'no JWT' },
  };
  const ack = (clientId = 'tpp') => acknowledge({ clientId, at: 1001 });
  const error = (clientId = 'tpp') => reportError({ clientId, err: 'jwtParse', description: 'no JWT', at: 1001 });

  test('is created once', () => {
    given(eventNotification).when(create(data, told)).then(created);
    given(eventNotification, created).when(create(data, told)).then();
  });
  test('is answered for once, and stays so', () => {
    given(eventNotification, created).when(ack()).then(acknowledged);
    given(eventNotification, created).when(error()).then(failed);
    for (const end of [acknowledged, failed])
      for (const again of [ack(), error()]) given(eventNotification, created, end).when(again).then();
  });
  test('is delivered, or is tried five times more, and waits for a poll then', () => {
    const by = { clientId: 'tpp', attemptsBefore: 0, at: 1001 };
    const busy = { outcome: 'retry', reason: 'http_status', status: 503 } as const;
    const not = (retryAt: number | null): EventNotificationFact => ({
      type: 'EventNotificationNotDelivered',
      data: { reason: 'http_status', status: 503, retryAt, at: 1001 },
    });
    given(eventNotification, created)
      .when(delivered({ outcome: 'accepted', status: 202 }, by, 0))
      .then(acknowledged);
    for (const [times, wait] of [5, 10, 20, 40, 80].entries()) {
      const before = Array.from({ length: times }, () => not(1002));
      given(eventNotification, created, ...before)
        .when(delivered(busy, { ...by, attemptsBefore: times }, 0))
        .then(not(1001 + wait));
      given(eventNotification, created, ...before)
        .when(delivered(busy, { ...by, attemptsBefore: times }, 0.5))
        .then(not(1001 + Math.round(wait * 1.5)));
    }
    given(eventNotification, created, ...Array.from({ length: 5 }, () => not(1002)))
      .when(delivered(busy, { ...by, attemptsBefore: 5 }, 0))
      .then(not(null));
    given(eventNotification, created, not(1006))
      .when(delivered(busy, by, 0))
      .then();
    given(eventNotification, created, not(1006))
      .when(delivered({ outcome: 'accepted', status: 202 }, by, 0))
      .then(acknowledged);
    given(eventNotification, created)
      .when(delivered({ ...busy, outcome: 'refused' }, by, 0))
      .then(not(null));
    for (const end of [acknowledged, failed])
      given(eventNotification, created, end)
        .when(delivered(busy, by, 0))
        .then();
    given(eventNotification, created, not(null)).when(ack()).then(acknowledged);
  });
  test('is to be called for when it is made and when its wait is over, until it was answered for or is called for no more', () => {
    const not = (retryAt: number | null): EventNotificationFact => ({
      type: 'EventNotificationNotDelivered',
      data: { reason: 'timeout', status: null, retryAt, at: 1001 },
    });
    const calledAt = (at: number, ...facts: EventNotificationFact[]) => {
      const state = stateOf(eventNotification, created, ...facts);
      return state.status !== 'absent' && isToBeCalled(state, at);
    };
    expect([calledAt(1000), calledAt(1005, not(1006)), calledAt(1006, not(1006))]).toEqual([true, false, true]);
    expect([not(null), acknowledged, failed].map((end) => calledAt(2000, end))).toEqual([false, false, false]);
  });
  test('is not there for others, nor before it is created', () => {
    for (const answer of [ack('other'), error('other')]) given(eventNotification, created).when(answer).then();
    for (const answer of [ack(), error()]) given(eventNotification).when(answer).then();
  });
  test('says what was told, and of what was erased the types alone', () => {
    const state = stateOf(eventNotification, created);
    if (state.status === 'absent') throw new Error(state.status);
    const sealer = (plaintext: string | null) => ({ seal: () => '', open: () => plaintext });
    expect(toldIn(state, sealer(JSON.stringify(told)))).toEqual(told.events);
    expect(toldIn(state, sealer(null))).toEqual({ news: {} });
  });
});

describe('a subscription', () => {
  const wanted = { clientId: 'tpp', callbackUrl: 'https://tpp.example/', eventTypes: ['news'], version: null, at: 1000 };
  const created: EventSubscriptionFact = { type: 'EventSubscriptionCreated', data: wanted };
  const deleted: EventSubscriptionFact = { type: 'EventSubscriptionDeleted', data: { clientId: 'tpp', at: 1001 } };
  const change = { clientId: 'tpp', eventTypes: ['other news'], at: 1001 };

  test('begins once, under an id that was never used', () => {
    given(eventSubscription).when(subscribe(wanted)).then(created);
    given(eventSubscription, created, deleted).when(subscribe(wanted)).then();
  });
  test('changes in what the client names, and keeps the rest; the same again is nothing new', () => {
    const updated: EventSubscriptionFact = { type: 'EventSubscriptionUpdated', data: { ...wanted, ...change } };
    given(eventSubscription, created).when(update(change)).then(updated);
    given(eventSubscription, created, updated).when(update(change)).then();
  });
  test('ends, and is not there for others', () => {
    given(eventSubscription, created)
      .when(unsubscribe({ clientId: 'tpp', at: 1001 }))
      .then(deleted);
    for (const decision of [update({ ...change, clientId: 'other' }), unsubscribe({ clientId: 'other', at: 1001 })])
      given(eventSubscription, created).when(decision).refuses('not_found');
    for (const decision of [update(change), unsubscribe({ clientId: 'tpp', at: 1001 })]) {
      given(eventSubscription, created, deleted).when(decision).refuses('not_found');
      given(eventSubscription).when(decision).refuses('not_found');
    }
  });
});

test.each([
  'Resource-Update',
  'resource-update',
  'urn_uk_org_openbanking_events_resource-update',
  'urn:uk:org:openbanking:events:resource-update',
])('%s is about the same', (type) => expect(topicOf(type)).toBe('resource-update'));
