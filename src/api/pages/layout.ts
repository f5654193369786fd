import { createHash } from 'node:crypto';
import type { Reply } from '../reply.ts';
import { type Html, html, markupOf } from './html.ts';
import { stylesheet } from './stylesheet.ts';

/** A page: plain HTML that runs no script and loads nothing. */
export interface Page {
  title: string;
  body: Html;
  /**
   * On a page with a form: the redirect URIs at which the browser may end once it is posted. Chrome and Safari hold
   * `form-action` against every redirect that follows a post. Without them the page may post nowhere.
   */
  formTargets?: readonly string[];
}

const STYLE_HASH = createHash('sha256').update(markupOf(stylesheet)).digest('base64');

const HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()',
};

/** A reply with a page that no other site can frame, read, cache or run a script in. */
export const page = (status: number, { title, body, formTargets }: Page): Reply => ({
  status,
  headers: { ...HEADERS, 'Content-Security-Policy': policy(formTargets) },
  body: markupOf(html`<!doctype html>
<html lang="en" dir="ltr">
<head>
<meta charset="utf-8">
<title>${title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>${stylesheet}</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`),
});

const policy = (formTargets: readonly string[] | undefined): string =>
  [
    "default-src 'none'",
    `style-src 'sha256-${STYLE_HASH}'`,
    `form-action ${formTargets === undefined ? "'none'" : [...new Set(["'self'", ...formTargets.map(sourceOf)])].join(' ')}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ');

// CSP 3, section 2.3.1: what a host-source can say. A host may hold a semicolon in a URL, and an IPv6 address cannot be said at all.
const HOST_SOURCE = /^https?:\/\/[a-z0-9-]+(\.[a-z0-9-]+)*(:\d+)?$/;

/** The origin of a redirect URI as a source of the policy; its scheme alone where the origin cannot be one. */
const sourceOf = (redirectUri: string): string => {
  const { origin, protocol } = new URL(redirectUri);
  return HOST_SOURCE.test(origin) ? origin : protocol;
};
