import type { Reply } from '../reply.ts';
import { html } from './html.ts';
import { page } from './layout.ts';
import { nameOf } from './parts.ts';

/**
 * The end of a posted form: the browser goes on to the client by itself, and by the link where it does not. A redirect would not do: Chrome
 * and Safari hold the `form-action` of the page before against it and against wherever the client redirects to.
 */
export const continuePage = (clientName: string, url: string): Reply => {
  const reply = page(200, {
    title: 'Going back',
    body: html`<h1>You are done here</h1>
<p>You are on your way back to ${nameOf(clientName)}.</p>
<p><a href="${url}">Go on now</a></p>`,
  });
  return goingTo(reply, url);
};

/** A page from which the browser goes on by itself. */
export const goingTo = (reply: Reply, url: string): Reply => ({
  ...reply,
  headers: { ...reply.headers, Refresh: ['0; url', url].join('=') },
});
