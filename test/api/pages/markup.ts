/** An element of a page, and where it stands. */
export interface Element {
  name: string;
  attributes: ReadonlyMap<string, string>;
  /** The names of the elements around it, outermost first. */
  within: readonly string[];
  /** The text in it, decoded, whatever element it is in. */
  text: string;
}

const VOID = new Set(['meta', 'input']);
const ENTITIES = new Map([
  ['&amp;', '&'],
  ['&lt;', '<'],
  ['&gt;', '>'],
  ['&quot;', '"'],
  ['&#39;', "'"],
]);

/**
 * Reads a page in a small part of HTML in which every browser agrees: no sign that could be markup stands in a text or
 * a value unescaped, every value is in double quotes, every element is closed in its turn. Throws at anything else.
 */
export const elementsOf = (page: string): readonly Element[] => {
  const elements: Element[] = [];
  const open: Element[] = [];
  const token =
    /<!doctype html>|<style>(?<css>[^<&]*)<\/style>|<\/(?<end>[a-z][a-z0-9]*)>|<(?<start>[a-z][a-z0-9]*)(?<attributes>(?: [a-z-]+(?:="[^"<>]*")?)*)>|(?<text>[^<>"']+|['"])/gy;
  while (token.lastIndex < page.length) {
    const at = token.lastIndex;
    const groups = token.exec(page)?.groups;
    if (groups === undefined) throw new Error(`not markup: ${JSON.stringify(page.slice(at, at + 80))}`);
    const { css, end, start, attributes = '', text } = groups;
    const begin = (name: string): Element => {
      const element = { name, attributes: attributesOf(attributes), within: open.map((outer) => outer.name), text: '' };
      elements.push(element);
      return element;
    };
    if (css !== undefined) begin('style').text = css;
    else if (start !== undefined) {
      const element = begin(start);
      if (!VOID.has(start)) open.push(element);
    } else if (end !== undefined) {
      if (open.pop()?.name !== end) throw new Error(`</${end}> closes nothing`);
    } else if (text !== undefined) for (const element of open) element.text += decoded(text);
  }
  if (open.length > 0) throw new Error(`<${open[0]?.name}> is not closed`);
  return elements;
};

const attributesOf = (source: string): ReadonlyMap<string, string> => {
  const found = [...source.matchAll(/ ([a-z-]+)(?:="([^"]*)")?/g)].map(([, name = '', value = '']) => [name, decoded(value)] as const);
  const attributes = new Map(found);
  if (attributes.size !== found.length) throw new Error(`an attribute is repeated: ${source}`);
  return attributes;
};

const decoded = (text: string): string =>
  text.replaceAll(/&[^;]*;?/g, (entity) => {
    const character = ENTITIES.get(entity);
    if (character === undefined) throw new Error(`not an entity: ${entity.slice(0, 20)}`);
    return character;
  });

/** The form of a page without any of its texts and values: what a value must never change. */
export const skeletonOf = (page: string): readonly string[] =>
  elementsOf(page).map(({ name, attributes, within }) => `${[...within, name].join('>')}[${[...attributes.keys()].join(' ')}]`);
