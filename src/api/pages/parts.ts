import { type Html, html } from './html.ts';

/** What ties a posted form to the request and the browser that it was shown for. */
export interface Bound {
  /** Where the form posts to. */
  action: string;
  interactionId: string;
  csrfToken: string;
  /** The redirect URIs at which the answer may send the browser. */
  formTargets: readonly string[];
}

/** Hidden fields, by their names in the form. */
export const hiddenFields = (fields: Readonly<Record<string, string>>): Html =>
  html`${Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">\n`)}`;

/** A name that somebody else chose: set apart, so that its direction does not reorder the words around it. */
export const nameOf = (name: string): Html => html`<strong><bdi>${name}</bdi></strong>`;

/** The title, which is what a screen reader says first, tells of the error too. */
export const titleOf = (title: string, error: string | null): string => (error === null ? title : `Error: ${title}`);
