import { readFile, writeFile } from 'node:fs/promises';
import { parse, stringify, TomlError } from 'smol-toml';
import { loadConfig } from '../config.ts';
import { CommandFailed } from './command-failed.ts';
import { type Reading, TAGS } from './deployment-tags.ts';
import { table } from './table.ts';

interface Tag extends Reading {
  tag: string;
}

/**
 * Reads the reference's deployment.toml and writes our settings, with a line for each tag: what became of it. Without `out` the settings are
 * printed, and the lines are their comments. Settings that the engine would refuse are written to no file.
 */
export const importSettings = async (file: string, out: string | null, print: (line: string) => void): Promise<void> => {
  const tags = [...tagsIn(await readToml(file), [])];
  const report = table(tags.map(({ outcome, tag, note }) => [outcome, tag, note]));
  const settings = stringify(nested(tags));
  print(out === null ? `${report.replaceAll(/^/gm, '# ')}\n\n${settings}` : report);
  // The engine's own reader has the last word.
  loadConfig({ file: out ?? undefined, text: settings, env: {}, cwd: process.cwd() });
  if (out !== null) await writeNew(out, settings);
};

const readToml = async (file: string): Promise<object> => {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new CommandFailed(`${file} cannot be read`, { cause });
  }
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    throw new CommandFailed(`${file}:${cause.line}: ${cause.message.split('\n')[0]}`, { cause });
  }
};

const writeNew = async (file: string, text: string): Promise<void> => {
  try {
    await writeFile(file, text, { flag: 'wx', mode: 0o600 });
  } catch (cause) {
    throw new CommandFailed(`${file} cannot be written: it is there already, or its folder is not`, { cause });
  }
};

/** What each tag is here, in the order of the file. Of a list whose tags are read one by one each has a line of its own. */
function* tagsIn(value: object, path: readonly string[]): Generator<Tag> {
  for (const [key, member] of Object.entries(value)) {
    const here = [...path, key];
    const tag = here.join('.');
    const read = Object.hasOwn(TAGS, commonName(tag)) ? TAGS[commonName(tag)] : undefined;
    if (read !== undefined)
      for (const one of ONE_BY_ONE.includes(tag) ? [member].flat() : [member]) yield { tag: labelled(tag, one), ...read(one) };
    else if (isTable(member)) yield* tagsIn(member, here);
    else if (Array.isArray(member) && member.every(isTable)) for (const one of member) yield* tagsIn(one, here);
    else yield { tag, outcome: 'unknown', note: 'nothing here has this name' };
  }
}

const ONE_BY_ONE = ['resource.access_control', 'oauth.custom_grant_type', 'oauth.custom_response_type'];

const commonName = (tag: string): string => tag.replace(/^financial_services\./, 'open_banking.');

const labelled = (tag: string, value: unknown): string => {
  const { context, name } = Object(value) as { context?: unknown; name?: unknown };
  const label = ONE_BY_ONE.includes(tag) ? (context ?? name) : undefined;
  return typeof label === 'string' ? `${tag} ${label}` : tag;
};

const isTable = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

const nested = (tags: readonly Tag[]): object => {
  const root: Record<string, unknown> = {};
  for (const [name, value] of tags.flatMap(({ settings = {} }) => Object.entries(settings))) {
    const path = name.split('.');
    let section = root;
    for (const key of path.slice(0, -1)) {
      section[key] ??= {};
      section = section[key] as Record<string, unknown>;
    }
    section[path.at(-1) ?? ''] = value;
  }
  return root;
};
