import { type Element, elementsOf } from '../api/pages/markup.ts';

type Fetch = (
  url: string,
  init: { method?: string; headers?: Record<string, string>; body?: string; redirect?: 'manual' },
) => Promise<Response>;

/** What a browser was answered: a page, or where it is sent. */
export interface Visited {
  status: number;
  headers: Headers;
  text: string;
  /** Where the answer sends the browser: by a redirect, or by a page that goes on by itself. */
  goesTo: string | null;
  /** The first heading. */
  heading: string;
  alert: string | null;
}

/** A browser without scripts: it keeps cookies, and posts the form of the page that it shows. */
export interface Browser {
  cookies: Map<string, string>;
  get(url: string, headers?: Record<string, string>): Promise<Visited>;
  post(url: string, form: Record<string, string>, headers?: Record<string, string>): Promise<Visited>;
  /** Posts the form of a page with these fields filled in. */
  submit(page: Visited, fields: Record<string, string>, headers?: Record<string, string>): Promise<Visited>;
}

/** The fields of a page's form that are filled in, or ticked, already. */
export const fieldsOf = ({ text }: Pick<Visited, 'text'>): Record<string, string> =>
  Object.fromEntries(
    elementsOf(text)
      .filter(({ name, attributes }) => name === 'input' && (attributes.get('type') === 'hidden' || attributes.has('checked')))
      .map(({ attributes }) => [attributes.get('name') ?? '', attributes.get('value') ?? '']),
  );

/** The ids of the accounts that a page offers. */
export const boxesOf = ({ text }: Pick<Visited, 'text'>): readonly string[] =>
  elementsOf(text)
    .filter(({ attributes }) => attributes.get('name')?.startsWith('account.'))
    .map(({ attributes }) => attributes.get('value') ?? '');

/** A browser at an engine. */
export const browser = (base: string, fetchFrom: Fetch = fetch): Browser => {
  const cookies = new Map<string, string>();

  const visit = async (url: string, init: Parameters<Fetch>[1]): Promise<Visited> => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetchFrom(url.startsWith('/') ? base + url : url, {
      ...init,
      headers: { ...(cookie !== '' && { cookie }), ...init.headers },
      redirect: 'manual',
    });
    for (const set of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      cookies.set(name, value);
    }
    const text = await response.text();
    const elements: readonly Element[] = text.startsWith('<!doctype') ? elementsOf(text) : [];
    const refresh = /^0; url=(.*)$/.exec(response.headers.get('refresh') ?? '')?.[1] ?? null;
    return {
      status: response.status,
      headers: response.headers,
      text,
      goesTo: response.headers.get('location') ?? refresh,
      heading: elements.find(({ name }) => name === 'h1')?.text ?? '',
      alert: elements.find(({ attributes }) => attributes.get('role') === 'alert')?.text ?? null,
    };
  };

  const post: Browser['post'] = (url, form, headers = {}) =>
    visit(url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: new URLSearchParams(form).toString(),
    });

  return {
    cookies,
    get: (url, headers = {}) => visit(url, { headers }),
    post,
    submit(page, fields, headers) {
      const form = elementsOf(page.text).find(({ name }) => name === 'form');
      return post(form?.attributes.get('action') ?? '', { ...fieldsOf(page), ...fields }, headers);
    },
  };
};

/** Signs in on the sign-in page; both are the same for the PSUs of the tests. */
export const signIn = (at: Browser, page: Visited, username: string, password: string = username): Promise<Visited> =>
  at.submit(page, { username, password, step: 'login' });

/** Answers on the consent page, with all the accounts that it offers. */
export const decide = (at: Browser, page: Visited, verdict: 'approved' | 'denied'): Promise<Visited> =>
  at.submit(page, { verdict, ...Object.fromEntries(boxesOf(page).map((id, index) => [`account.${index}`, id])) });

/** What an answer says to the client, in its query or its fragment. */
export const answerIn = (goesTo: string | null): Record<string, string> => {
  const { hash, search } = new URL(goesTo ?? 'https://nowhere.example');
  return Object.fromEntries(new URLSearchParams(hash === '' ? search : hash.slice(1)));
};
