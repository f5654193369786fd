import type { Reply } from '../reply.ts';
import { html } from './html.ts';
import { page } from './layout.ts';
import { hiddenFields, nameOf } from './parts.ts';

/** What waits for the person who is signed in. */
export interface WaitingPage {
  interactionId: string;
  csrfToken: string;
  /** Each with the address at which it is shown. */
  requests: readonly { action: string; clientName: string; bindingMessage: string | null }[];
  /** What has become of the request that was answered last. */
  answered: 'approved' | 'denied' | null;
  /** Where the person signs out. */
  signOutAction: string;
}

const ANSWERED = { approved: 'You have approved the request.', denied: 'You have denied the request.' };

/** The list of what waits. Each entry posts to its own address. */
export const waitingPage = ({ interactionId, csrfToken, requests, answered, signOutAction }: WaitingPage): Reply =>
  page(200, {
    title: 'What waits for your answer',
    formTargets: [],
    body: html`<h1>What waits for your answer</h1>
${answered !== null && html`<p role="status">${ANSWERED[answered]}</p>`}
${requests.length === 0 && html`<p>Nothing waits for you now.</p>`}
${requests.map(
  ({ action, clientName, bindingMessage }) => html`<form method="post" action="${action}">
${hiddenFields({ interaction_id: interactionId, csrf_token: csrfToken })}
<p>${nameOf(clientName)}${bindingMessage !== null && html`: ${nameOf(bindingMessage)}`}</p>
<div class="buttons">
<button type="submit" class="main">See what it asks</button>
</div>
</form>
`,
)}
<form method="post" action="${signOutAction}">
${hiddenFields({ interaction_id: interactionId, csrf_token: csrfToken })}
<div class="buttons">
<button type="submit">Sign out</button>
</div>
</form>`,
  });
