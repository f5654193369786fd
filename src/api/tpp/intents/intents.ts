import canonicalize from 'canonicalize';
import { amend, asOf, type Consent, consent, type LodgedConsent, lodge, uploadFile, withdraw } from '../../../domain/consent/decider.ts';
import { fileOf, receiptOf } from '../../../domain/consent/receipt.ts';
import type { Decide, Load } from '../../../domain/decide.ts';
import { OAuthError } from '../../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../../domain/ports/clock.ts';
import type { Actor } from '../../../domain/ports/event-store.ts';
import type { Sealer } from '../../../domain/ports/sealer.ts';
import { firstFree } from '../../first-free.ts';
import type { ReadModels } from '../../read-models.ts';
import type { Intent, IntentType } from './intent-types.ts';
import { type Representation, representation } from './representation.ts';

/** Whose consents of which type, and who calls: the client, or the bank for it. */
export interface Owner {
  type: IntentType;
  clientId: string;
  actor: Actor;
  /** Where the consents of this type are served to the caller. */
  self: string;
  /** The PSUs who must all agree; whoever is asked if not given. */
  authorisers?: readonly string[];
}

interface Deps {
  decide: Decide;
  load: Load;
  readModels: ReadModels;
  sealer: Sealer;
  clock: Clock;
  ids: Ids;
  /** Those that a consent may ask for. */
  permissions: readonly string[];
}

const KEY_SECONDS = 24 * 3600;
// The word of the reference's amendment history.
const AMENDED = 'ConsentAmendmentFlow';

/**
 * What is done with the consents that a TPP lodges, whoever serves it. What is not of the client, or not of the type, does not exist.
 * With an idempotency key a request is lodged once within 24 hours: the key leads to the id, so that the consent's stream decides between
 * calls that come together.
 */
export const makeIntents = ({ decide, load, readModels, sealer, clock, ids, permissions }: Deps) => {
  const commandOf = (actor: Actor, consentId: string) => ({ id: ids.uuid(), actor, correlationId: consentId, causationId: null });

  const ownConsent = async ({ type, clientId }: Owner, consentId: string): Promise<LodgedConsent> => {
    const state = await load(consent, consentId);
    if (state.status === 'absent' || state.clientId !== clientId || !isOfType(state, type))
      throw new OAuthError('invalid_request', 'no such consent of this client', { reason: 'consent unknown' });
    return state;
  };

  const told = ({ self }: Owner, consentId: string, state: LodgedConsent): Representation =>
    representation(consentId, asOf(state, clock()), receiptOf(state, sealer), self);

  /** The id of a consent to be lodged: with a key always the same, until the key is free again. */
  const idFor = async ({ type, clientId }: Owner, key: string | null, at: number): Promise<string> => {
    if (key === null) return ids.uuid();
    const idAfter = (before: number) => ids.derived(`intent\n${clientId}\n${type.name}\n${key}\n${before}`);
    const isOver = (state: Consent) => state.status !== 'absent' && at >= state.lodgedAt + KEY_SECONDS;
    return idAfter(await firstFree(async (before) => isOver(await load(consent, idAfter(before)))));
  };

  const checkPermissions = ({ content }: Intent): void => {
    if (content.kind === 'account-access' && !content.permissions.every((permission) => permissions.includes(permission)))
      throw new OAuthError('invalid_request', `Data.Permissions may hold ${permissions.join(', ')} only`);
  };

  return {
    /** Lodges a consent, or finds the one that the same request with the same key has lodged. */
    async lodgeIntent(owner: Owner, intent: Intent, key: string | null): Promise<Representation> {
      const { type, clientId, actor } = owner;
      checkPermissions(intent);
      const { receipt, content, expiresAt } = intent;
      const at = clock();
      const authorisers = [...(owner.authorisers ?? [])];
      // The key keeps what was asked for from being guessed by its hash.
      const hashOf = (of: string) => ids.hash(`${of}\n${canonicalize({ receipt, authorisers })}`);
      const idempotency = key === null ? null : { keyHash: ids.hash(key), requestHash: hashOf(key) };
      const consentId = await idFor(owner, key, at);
      const { consentType, recurring, uploads: awaitsUpload } = type;
      const terms = { consentType, content, authorisers, recurring, frequency: 0, awaitsUpload, idempotency };
      await decide(consent, consentId, lodge({ clientId, ...terms, expiresAt, at }, receipt), commandOf(actor, consentId));
      const state = await ownConsent(owner, consentId);
      if (state.idempotency?.requestHash !== idempotency?.requestHash)
        throw new OAuthError('invalid_request', 'x-idempotency-key was used with another request', { reason: 'header unreadable' });
      return told(owner, consentId, state);
    },

    /** A consent as it stands. */
    async readIntent(owner: Owner, consentId: string): Promise<Representation> {
      return told(owner, consentId, await ownConsent(owner, consentId));
    },

    /** Gives a consent new terms, which its PSUs are asked for anew. */
    async amendIntent(owner: Owner, consentId: string, intent: Intent): Promise<Representation> {
      await ownConsent(owner, consentId);
      checkPermissions(intent);
      const { receipt, content, expiresAt } = intent;
      const decision = amend({ content, expiresAt, reason: AMENDED, at: clock() }, receipt, (state) => receiptOf(state, sealer));
      const { position } = await decide(consent, consentId, decision, commandOf(owner.actor, consentId));
      await readModels.reached(position);
      return told(owner, consentId, await ownConsent(owner, consentId));
    },

    /** Takes a consent back that has not ended yet. */
    async deleteIntent(owner: Owner, consentId: string): Promise<void> {
      await ownConsent(owner, consentId);
      const by = owner.actor.kind === 'client' ? 'client' : 'operator';
      const { position } = await decide(consent, consentId, withdraw({ by, at: clock() }), commandOf(owner.actor, consentId));
      await readModels.reached(position);
    },

    /** Takes the file that a consent awaits, if it is the one whose hash was lodged. */
    async uploadIntentFile(owner: Owner, consentId: string, file: string): Promise<void> {
      const state = await ownConsent(owner, consentId);
      const digest = ids.hash(file);
      if (file === '' || fileHashOf(receiptOf(state, sealer)?.Data) !== digest) {
        // What stands for bytes that are no UTF-8.
        const why = file.includes('\ufffd') ? ': it must be UTF-8' : '';
        throw new OAuthError('invalid_request', `the file is not the one that FileHash is of${why}`, { reason: 'consent mismatch' });
      }
      const data = { digest, size: Buffer.byteLength(file), at: clock() };
      await decide(consent, consentId, uploadFile(data, file), commandOf(owner.actor, consentId));
    },

    /** The file of a consent. */
    async readIntentFile(owner: Owner, consentId: string): Promise<string> {
      const file = fileOf(await ownConsent(owner, consentId), sealer);
      if (file === null) throw new OAuthError('invalid_request', 'the consent has no file', { reason: 'consent unknown' });
      return file;
    },
  };
};
export type Intents = ReturnType<typeof makeIntents>;

const isOfType = ({ consentType, content }: LodgedConsent, type: IntentType): boolean =>
  consentType === type.consentType && (content.kind !== 'payment' || content.paymentType === type.paymentType);

/** `FileHash` as our own digests are written. */
const fileHashOf = (data: Readonly<Record<string, unknown>> | undefined): string =>
  Buffer.from(String((data?.['Initiation'] as { FileHash?: unknown } | undefined)?.FileHash ?? ''), 'base64').toString('base64url');
