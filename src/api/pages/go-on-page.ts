import type { Reply } from '../reply.ts';
import { goingTo } from './continue-page.ts';
import { html } from './html.ts';
import { page } from './layout.ts';

/** The end of the sign-in where the ASPSP has a consent page of its own: a redirect would not do, as on the last page. */
export const goOnPage = (url: string): Reply =>
  goingTo(
    page(200, {
      title: 'One moment',
      body: html`<h1>You are signed in</h1>
<p><a href="${url}">Go on to your decision</a></p>`,
    }),
    url,
  );
