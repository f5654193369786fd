import type { Reply } from '../reply.ts';
import { html } from './html.ts';
import { page } from './layout.ts';

/** The end of a flow that cannot go back to the client: words for a person, no link, no form. */
export const errorPage = (status: number, message: string): Reply =>
  page(status, {
    title: 'This cannot go on',
    body: html`<h1>This cannot go on</h1>
<p role="alert">${message}</p>
<p class="quiet">You can close this window. To try again, start at the application that sent you here.</p>`,
  });
