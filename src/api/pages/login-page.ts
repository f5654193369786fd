import type { Reply } from '../reply.ts';
import { html } from './html.ts';
import { page } from './layout.ts';
import { type Bound, hiddenFields, nameOf, titleOf } from './parts.ts';

/** The login step: who asks, and why the last try failed. */
export interface LoginPage extends Bound {
  /** Null where the person sees afterwards who asks; there is nothing to give up then. */
  clientName: string | null;
  /** What was typed before, or what the client hinted at. */
  username: string | null;
  /** The same words for an unknown user and a wrong password. */
  error: string | null;
}

/** The login page. It posts `username` and `password` with `step=login`, or `step=cancel`, which ends the request. */
export const loginPage = ({ action, interactionId, csrfToken, formTargets, clientName, username, error }: LoginPage): Reply => {
  const named = username !== null && username !== '';
  const described = error !== null && html` aria-describedby="error"`;
  // Enter presses the first button of the form.
  return page(error === null ? 200 : 400, {
    title: titleOf('Sign in', error),
    formTargets,
    body: html`<h1>Sign in</h1>
${error !== null && html`<p class="error" role="alert" id="error">${error}</p>`}
<p>Sign in to see what ${clientName === null ? 'waits for your answer' : html`${nameOf(clientName)} asks of you`}. Nothing is shared until you approve it.</p>
<form method="post" action="${action}">
${hiddenFields({ interaction_id: interactionId, csrf_token: csrfToken })}
<label for="username">User name</label>
<input type="text" id="username" name="username" value="${username}" autocomplete="username" autocapitalize="none" spellcheck="false" required${described}${!named && html` autofocus`}>
<label for="password">Password</label>
<input type="password" id="password" name="password" autocomplete="current-password" required${described}${named && html` autofocus`}>
<div class="buttons">
<button type="submit" name="step" value="login" class="main">Sign in</button>
${clientName !== null && html`<button type="submit" name="step" value="cancel" formnovalidate>Cancel</button>\n`}</div>
</form>`,
  });
};
