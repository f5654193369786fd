import { hash } from 'node:crypto';
import type { StoredEvent } from '../domain/ports/event-store.ts';
import { sha256 } from './sha256.ts';

/** What is hashed of a fact, without its place in the order of all facts. */
export type LeafEvent = Omit<StoredEvent, 'position'>;

/**
 * The statement that the log makes about one fact: JSON in the order of RFC 8785, with nothing but strings and integers in it. It covers the
 * whole envelope. The two parts are hashed apart and as stored, so that the sealed one may be taken away after an erasure.
 */
export const leafOf = (event: LeafEvent): string =>
  JSON.stringify({
    ac: `${event.actor.kind}:${event.actor.id}`,
    ca: event.causationId ?? '',
    cf: event.compatibleFrom ?? event.version,
    co: event.correlationId,
    dh: hash('sha256', event.data, 'base64url'),
    id: event.id,
    rv: event.revision,
    sh: event.sealed === null ? '' : hash('sha256', event.sealed, 'base64url'),
    st: event.stream,
    ts: event.recordedAt,
    ty: `${event.type}.v${event.version}`,
    v: 1,
  });

/** The hash of a leaf (RFC 6962, section 2.1): the zero byte keeps it apart from those of nodes. */
export const leafHash = (leaf: string): Buffer => sha256(`\0${leaf}`);
