import type { DetailLine, Part } from '../../domain/authorization-details/detail-type.ts';
import type { ConsentDatum } from '../../domain/ports/consent-steps.ts';
import type { Account } from '../../domain/ports/psu-directory.ts';
import type { Form } from '../body.ts';
import type { Reply } from '../reply.ts';
import { accountBox, detailBox } from './choices.ts';
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
  /** Who is signed in, where that is known. */
  username: string | null;
  clientName: string;
  /** What the person compares with what the application shows them. */
  bindingMessage: string | null;
  scope: string;
  consent: {
    permissions: readonly string[];
    expiration: string | null;
    transactionsFrom: string | null;
    transactionsTo: string | null;
  } | null;
  /** What the consent asks for, in the words of the standard. */
  consentData: readonly ConsentDatum[];
  /** The lines of each of the authorization details. */
  details: readonly (readonly DetailLine[])[];
  /** What the application says of its request, a line each. */
  context: readonly string[];
  accounts: readonly Account[];
  error: string | null;
  /** What was posted before, and what is ticked therefore; null for the first time: all of the details, and no account. */
  before: Form | null;
}

/** The consent page. It posts `verdict`, `approved` or `denied`, and what was ticked (`choicesIn`). */
export const consentPage = (shown: ConsentPage): Reply => {
  const { action, interactionId, csrfToken, formTargets, nonce, digest, username, clientName, bindingMessage, error } = shown;
  // Firefox would bring ticks and hidden values back when the page is loaded again; autocomplete="off" keeps it from that.
  // Enter in a checkbox presses the first button of the form. That one is disabled, so that only a real button answers.
  return page(error === null ? 200 : 400, {
    title: titleOf('Approve or deny', error),
    formTargets,
    body: html`<h1>Do you allow ${nameOf(clientName)} to do this?</h1>
${error !== null && html`<p class="error" role="alert" id="error" tabindex="-1" autofocus>${error}</p>`}
${username !== null && html`<p class="quiet">You are signed in as ${nameOf(username)}.</p>`}
${bindingMessage !== null && html`<p>The application shows you the same message: ${nameOf(bindingMessage)}. If it does not, deny.</p>`}
<form method="post" action="${action}" autocomplete="off">
<button type="submit" disabled hidden></button>
${hiddenFields({ interaction_id: interactionId, csrf_token: csrfToken, nonce, digest })}
${asked(shown)}
${limits(shown)}
${toTheLetter(shown)}
${inDetail(shown)}
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

const asked = ({ scope, consent, context }: ConsentPage): Html => {
  const scopes = scope.split(' ').filter((value) => value !== '');
  return html`${list('It will be able to', [...scopes.map(wordsForScope), ...(consent?.permissions ?? []).map(wordsForPermission)])}
${list('What the application says of its request', context)}`;
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

const toTheLetter = ({ consentData }: ConsentPage): Content =>
  consentData.length > 0 &&
  html`<h2>To the letter</h2>
<dl>
${consentData.map(({ title, data }) => html`<dt>${title}</dt>\n${data.map((value) => html`<dd><bdi>${value}</bdi></dd>\n`)}`)}</dl>`;

const inDetail = ({ details, before }: ConsentPage): Content =>
  details.length > 0 &&
  html`<h2>In detail</h2>
<p>Take the tick away from what you do not allow.</p>
${details.map((lines, entry) => {
  const box = (part: Part | null, text: Content): Html => {
    const name = detailBox(entry, part);
    const ticked = before === null || Object.hasOwn(before, name);
    return html`<label class="choice"><input type="checkbox" name="${name}" value="yes"${ticked && html` checked`}>${text}</label>`;
  };
  return html`<fieldset>
<legend>${entry + 1} of ${details.length}</legend>
${box(null, 'Allow this')}
<ul>
${lines.map(({ text, part }) => {
  const words = html`<bdi>${text}</bdi>`;
  return html`<li>${part === null ? words : box(part, words)}</li>\n`;
})}</ul>
</fieldset>
`;
})}`;

const choices = ({ accounts, error, before }: ConsentPage): Content =>
  accounts.length > 0 &&
  html`<fieldset${error !== null && html` aria-describedby="error"`}>
<legend>From which accounts?</legend>
${accounts.map(({ accountId, displayName }, index) => {
  const name = accountBox(index);
  const ticked = before?.[name] === accountId;
  return html`<label class="choice"><input type="checkbox" name="${name}" value="${accountId}"${ticked && html` checked`}><bdi>${displayName}</bdi></label>\n`;
})}</fieldset>`;
