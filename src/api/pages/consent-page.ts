import type { Account } from '../../domain/ports/psu-directory.ts';
import type { Form } from '../body.ts';
import type { Reply } from '../reply.ts';
import { type Content, type Html, html } from './html.ts';
import { page } from './layout.ts';
import { type Bound, hiddenFields, nameOf, titleOf } from './parts.ts';
import { wordsForPermission, wordsForScope, wordsForTime } from './plain-words.ts';

/** The consent step: everything that is asked, whole. */
export interface ConsentPage extends Bound {
  /** Ties the answer to this showing. */
  nonce: string;
  /** The digest of what is shown. */
  digest: string;
  /** Who is signed in. */
  username: string;
  clientName: string;
  scope: string;
  consent: {
    permissions: readonly string[];
    expiration: string | null;
    transactionsFrom: string | null;
    transactionsTo: string | null;
  } | null;
  /** The authorization details, a line each. */
  details: readonly string[];
  accounts: readonly Account[];
  error: string | null;
}

/** The consent page. It posts `verdict`, `approved` or `denied`, and the accounts that were ticked (`chosenAccounts`). */
export const consentPage = (shown: ConsentPage): Reply => {
  const { action, interactionId, csrfToken, formTargets, nonce, digest, username, clientName, error } = shown;
  // Firefox would bring ticks and hidden values back when the page is loaded again; autocomplete="off" keeps it from that.
  // Enter in a checkbox presses the first button of the form. That one is disabled, so that only a real button answers.
  return page(error === null ? 200 : 400, {
    title: titleOf('Approve or deny', error),
    formTargets,
    body: html`<h1>Do you allow ${nameOf(clientName)} to do this?</h1>
${error !== null && html`<p class="error" role="alert" id="error" tabindex="-1" autofocus>${error}</p>`}
<p class="quiet">You are signed in as ${nameOf(username)}.</p>
<form method="post" action="${action}" autocomplete="off">
<button type="submit" disabled hidden></button>
${hiddenFields({ interaction_id: interactionId, csrf_token: csrfToken, nonce, digest })}
${asked(shown)}
${limits(shown)}
${choices(shown)}
<div class="buttons">
<button type="submit" name="verdict" value="approved">Approve</button>
<button type="submit" name="verdict" value="denied">Deny</button>
</div>
</form>`,
  });
};

const list = (heading: string, lines: readonly string[]): Content =>
  lines.length > 0 && html`<h2>${heading}</h2>\n<ul>\n${lines.map((line) => html`<li><bdi>${line}</bdi></li>\n`)}</ul>`;

const asked = ({ scope, consent, details }: ConsentPage): Html => {
  const scopes = scope.split(' ').filter((value) => value !== '');
  return html`${list('It will be able to', [...scopes.map(wordsForScope), ...(consent?.permissions ?? []).map(wordsForPermission)])}
${list('In detail', details)}`;
};

const limits = ({ consent }: ConsentPage): Content => {
  if (consent === null) return null;
  const { permissions, expiration, transactionsFrom: from, transactionsTo: to } = consent;
  const ofTransactions = from !== null || to !== null || permissions.some((permission) => permission.startsWith('ReadTransactions'));
  return html`<h2>For how long</h2>
<dl>
<dt>Access ends</dt>
<dd>${expiration === null ? 'When you withdraw it' : wordsForTime(expiration)}</dd>
${
  ofTransactions &&
  html`<dt>Transactions from</dt>
<dd>${from === null ? 'The earliest on record' : wordsForTime(from)}</dd>
<dt>Transactions until</dt>
<dd>${to === null ? 'The latest, for as long as access lasts' : wordsForTime(to)}</dd>`
}
</dl>`;
};

const choices = ({ accounts, error }: ConsentPage): Content =>
  accounts.length > 0 &&
  html`<fieldset${error !== null && html` aria-describedby="error"`}>
<legend>From which accounts?</legend>
${accounts.map(
  ({ accountId, displayName }, index) =>
    html`<label class="choice"><input type="checkbox" name="account.${index}" value="${accountId}"><bdi>${displayName}</bdi></label>\n`,
)}</fieldset>`;

const ACCOUNT = /^account\.\d+$/;

/** The ids of the accounts that were ticked. Each box has a name of its own, because a repeated parameter is refused. */
export const chosenAccounts = (form: Form): readonly string[] =>
  Object.entries(form).flatMap(([name, value]) => (ACCOUNT.test(name) ? [value] : []));
