const PREFIX = /^urn[:_]uk[:_]org[:_]openbanking[:_]events[:_]/;

/**
 * What an event type is about, however it is written: `urn_uk_org_openbanking_events_resource-update`,
 * `urn:uk:org:openbanking:events:resource-update` and `Resource-Update` are the same.
 */
export const topicOf = (eventType: string): string => eventType.toLowerCase().replace(PREFIX, '');

/** What a client is told of a consent that it lodged: that it has ended, or that it has other terms now. */
export type ConsentTopic = 'consent-authorization-revoked' | 'resource-update';
