import { hash } from 'node:crypto';
import { isObject } from './known.ts';
import { sameJson } from './narrowing.ts';
import { sessionDataKeyOf } from './session-data-key.ts';
import type { Fact, Request, Say, Shown } from './world.ts';

/**
 * R6: what was shown has the digest that was recorded, and says what was asked for. What an answer depends on of it; undefined where it
 * cannot be opened.
 */
export const shownFits = (request: Request, digest: string, dialect: string | null, fact: Fact, say: Say): Shown | undefined => {
  const text = fact.opened?.['shown'];
  if (typeof text !== 'string') {
    if (fact.opened !== undefined) say('P3', 'the sealed part holds nothing that was shown');
    return undefined;
  }
  if (hash('sha256', text, 'base64url') !== digest) say('R6', 'the digest is not that of what was shown');
  const shown = objectIn(text);
  if (shown === null) {
    say('R6', 'what was shown cannot be read');
    return undefined;
  }
  const isPhone = dialect === 'push' || dialect === 'push-auth';
  const { authorization_details: details = null, binding_message: bindingMessage = null, accounts, whole } = shown;
  if (isPhone ? !namesRequest(shown, fact.id, dialect) : !saysWhatWasAsked(shown, request, fact.id))
    say('R6', 'what was shown is of another request, client or scope');
  if (request.asked !== undefined) {
    const { authorizationDetails = null, bindingMessage: asked = null } = request.asked;
    if (!sameJson(details, authorizationDetails) || bindingMessage !== asked) say('R6', 'what was shown is not what was asked for');
  }
  return {
    accountIds: Array.isArray(accounts) ? accounts.map((account) => (isObject(account) ? String(account['account_id']) : '')) : [],
    authorizationDetails: Array.isArray(details) ? details : null,
    whole: isPhone ? whole === true : true,
    bindingMessage: typeof bindingMessage === 'string' ? bindingMessage : null,
  };
};

const objectIn = (text: string): Record<string, unknown> | null => {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
};

// What older texts do not say is not compared.
const isSaid = (value: unknown, expected: unknown): boolean => value === undefined || value === expected;

const saysWhatWasAsked = (shown: Record<string, unknown>, request: Request, requestId: string): boolean => {
  const client = isObject(shown['client']) ? shown['client'] : {};
  const consent = isObject(shown['consent']) ? shown['consent'] : {};
  return (
    isSaid(shown['request_id'], requestId) &&
    isSaid(shown['scope'], request.scope) &&
    isSaid(client['client_id'], request.clientId) &&
    isSaid(client['redirect_uri'], request.redirectUri) &&
    isSaid(consent['consent_id'], request.consentId)
  );
};

/** What a phone of the reference was sent names the request by a UUID that follows from its id. */
const namesRequest = (shown: Record<string, unknown>, requestId: string, dialect: string): boolean => {
  const sent = isObject(shown['data']) ? shown['data'] : {};
  return sent[dialect === 'push' ? 'pushId' : 'sessionDataKey'] === sessionDataKeyOf(requestId);
};
