import type { Wire } from './wire.ts';

/** Where a PSU's browser ended: at the client, or on a page of the server without a form. */
export type Arrival =
  | { at: 'client'; url: URL; query: URLSearchParams; fragment: URLSearchParams }
  | { at: 'page'; status: number; text: string };

/** What the PSU does at the forms. */
export interface Conduct {
  verdict?: 'approved' | 'denied';
  username?: string;
  /** Looks at the first page and closes the browser. */
  onlyLooks?: boolean;
}

/**
 * Opens a URL as a browser without JavaScript would, signs in and answers, and follows every redirect that stays at the server. A PSU who
 * has a session already is not asked to sign in again.
 */
export const makeBrowser = (wire: Wire) => {
  const cookies = new Map<string, string>();

  const load = async (
    url: string,
    form?: Record<string, string>,
  ): Promise<{ left: string } | { page: string; status: number; url: string }> => {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ');
    const answer = await wire.send(url, {
      ...(form && { form }),
      headers: {
        accept: 'text/html',
        'sec-fetch-mode': 'navigate',
        'sec-fetch-dest': 'document',
        'sec-fetch-site': form === undefined ? 'none' : 'same-origin',
        ...(cookie !== '' && { cookie }),
      },
    });
    for (const line of answer.headers['set-cookie'] ?? []) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '' || /max-age=0/i.test(line)) cookies.delete(name);
      else cookies.set(name, value);
    }
    const { location } = answer.headers;
    if (answer.status >= 300 && answer.status < 400 && location !== undefined) return goTo(new URL(location, url));
    const [, refresh] = /^\d+; ?url=(.*)$/i.exec(String(answer.headers['refresh'] ?? '')) ?? [];
    if (refresh !== undefined) return goTo(new URL(refresh, url));
    return { page: answer.text, status: answer.status, url };
  };
  const goTo = async (next: URL) => (next.origin === new URL(wire.issuer).origin ? load(next.href) : { left: next.href });

  return async (url: string, { verdict = 'approved', username = 'alice', onlyLooks = false }: Conduct = {}): Promise<Arrival> => {
    let here = await load(url);
    for (let pages = 0; pages < 5; pages += 1) {
      if ('left' in here) {
        const left = new URL(here.left);
        return { at: 'client', url: left, query: left.searchParams, fragment: new URLSearchParams(left.hash.slice(1)) };
      }
      const form = formIn(here.page);
      if (form === null || onlyLooks) break;
      const { password } = wire.psu(username);
      const filled: Record<string, string> = { ...form.fields };
      if ('password' in filled) Object.assign(filled, { username, password, step: 'login' });
      else filled['verdict'] = verdict;
      here = await load(new URL(form.action, here.url).href, filled);
    }
    if ('left' in here) throw new Error('the server never stopped redirecting');
    return { at: 'page', status: here.status, text: here.page };
  };
};

/** The form of a page with every field that it would send; boxes are ticked. */
const formIn = (page: string): { action: string; fields: Record<string, string> } | null => {
  const [, action] = /<form method="post" action="([^"]*)"/.exec(page) ?? [];
  if (action === undefined) return null;
  const inputs = [...page.matchAll(/<input ([^>]*)>/g)].map(([, attributes = '']) => {
    const attribute = (name: string) => decoded(new RegExp(`(?:^| )${name}="([^"]*)"`).exec(attributes)?.[1] ?? '');
    return [attribute('name'), attribute('value')] as const;
  });
  return { action: decoded(action), fields: Object.fromEntries(inputs) };
};

const ENTITIES: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" };
const decoded = (text: string): string => text.replaceAll(/&(amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity] ?? entity);
