const MARKUP = Symbol('markup');

/** Markup that `html` made, and nothing else could have made: the symbol cannot come from outside. */
export interface Html {
  readonly [MARKUP]: string;
}
/** What may stand between the parts of a template: text is escaped, markup taken as it is, null and false are nothing, a list is joined. */
export type Content = Html | string | number | null | false | readonly Content[];

/** A template whose values cannot leave the text or the double-quoted attribute value that they stand in. */
export const html = (parts: TemplateStringsArray, ...values: readonly Content[]): Html => ({
  [MARKUP]: String.raw({ raw: parts }, ...values.map(rendered)),
});

/** The markup itself. */
export const markupOf = (markup: Html): string => markup[MARKUP];

const rendered = (value: Content): string => {
  if (value === null || value === false) return '';
  if (typeof value !== 'object') return escaped(visible(String(value)));
  return MARKUP in value ? value[MARKUP] : value.map(rendered).join('');
};

// What is invisible, or changes the direction or the line of what follows. Joiners and variation selectors stay: Persian, the Indic
// scripts and emoji are spelled with them.
const DISGUISE =
  /[[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\u2800\uFFF9-\uFFFC]--[\u200C\u200D\uFE00-\uFE0F]]/gv;

/** Puts U+FFFD, which can be seen, for each character that could make a text look like another one. */
export const visible = (text: string): string => text.replaceAll(DISGUISE, '\uFFFD');

const ENTITIES = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
]);
const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => ENTITIES.get(character) ?? '');
