import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Content, html, markupOf, visible } from '../../../src/api/pages/html.ts';
import { elementsOf, skeletonOf } from './markup.ts';
import { ATTACKS, DISGUISES, HONEST, hostile } from './samples.ts';

const markup = (content: Content) => markupOf(html`${content}`);

describe('a template', () => {
  test('escapes what could be markup', () => expect(markup(`&<>"'`)).toBe('&amp;&lt;&gt;&quot;&#39;'));
  test('escapes what is escaped already, so that it is shown as it is', () => expect(markup('&lt;')).toBe('&amp;lt;'));
  test('takes its own markup as it is', () => expect(markup(html`<b>${html`<i>${'<'}</i>`}</b>`)).toBe('<b><i>&lt;</i></b>'));
  test('joins a list, and a list in it', () => expect(markup(['<', [html`<b></b>`, 1], null])).toBe('&lt;<b></b>1'));
  test('shows nothing for null and false', () => expect(markup([null, false])).toBe(''));
  test('shows zero and the empty text', () => expect(markup([0, ''])).toBe('0'));
  test('keeps a dollar sign and a backslash', () => expect(markup('$& $1 $$ \\n')).toBe('$&amp; $1 $$ \\n'));

  test('takes nothing from outside for markup', () => {
    const forged = JSON.parse('["<b>", ["<i>"]]') as Content;
    expect(markup(forged)).toBe('&lt;b&gt;&lt;i&gt;');
    for (const object of [{ markup: '<b>' }, { toString: () => '<b>' }, { [Symbol('markup')]: '<b>' }])
      expect(() => markup(object as unknown as Content)).toThrow(TypeError);
  });
});

describe('a text', () => {
  test.each(DISGUISES)('%j is shown with its disguise', (text, shown) => expect(markup(text)).toBe(shown));
  test.each(HONEST)('%j is shown as it is', (text) => expect(elementsOf(markupOf(html`<p>${text}</p>`))[0]?.text).toBe(text));
  test.each(ATTACKS)('%j stays where it stands', (text) => {
    const [element, ...others] = elementsOf(markupOf(html`<p title="${text}">${text}</p>`));
    expect(others).toEqual([]);
    expect([element?.text, element?.attributes]).toEqual([visible(text), new Map([['title', visible(text)]])]);
  });

  test('of any kind makes no element and no attribute', () => {
    fc.assert(
      fc.property(hostile, hostile, (value, text) => {
        const made = markupOf(html`<p title="${value}">${text}<b>${[text, value]}</b></p>`);
        expect(skeletonOf(made)).toEqual(['p[title]', 'p>b[]']);
        const [outer, inner] = elementsOf(made);
        expect(outer?.attributes.get('title')).toBe(visible(value));
        expect([outer?.text, inner?.text]).toEqual([visible(text) + visible(text) + visible(value), visible(text) + visible(value)]);
      }),
    );
  });
});

describe('the reader of these tests', () => {
  test.each([
    '<p title=a></p>',
    "<p title='a'></p>",
    '<p><b></p></b>',
    '<p>',
    '</p>',
    '<p>&nbsp;</p>',
    '<p>&</p>',
    '<P></P>',
    '<!-- -->',
    '<p a="1" a="2"></p>',
    'a > b',
    '<p title="<"></p>',
    '<p/>',
  ])('refuses %s', (source) => expect(() => elementsOf(source)).toThrow());
});
