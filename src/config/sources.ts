import { dirname, resolve } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import { ConfigError } from './config-error.ts';
import { nearest } from './nearest.ts';

/** One setting: its name in the file, its variable in the environment, and the path of its value in the Config. */
export interface Setting {
  name: string;
  variable: string;
  path: readonly string[];
  preset: unknown;
  description: string;
}

/** A value that somebody gave, and where. */
export interface Given {
  value: unknown;
  source: string;
}

/** What a TOML file gives. `shown` is its name as the operator wrote it; relative paths in it start at its directory. */
export const fromFile = (
  settings: readonly Setting[],
  file: { path: string; shown: string; text: string } | null,
  problems: string[],
): Map<string, Given> => {
  const given = new Map<string, Given>();
  if (file === null) return given;
  const names = settings.map(({ name }) => name);
  const visit = (table: object, prefix: string): void => {
    for (const [key, value] of Object.entries(table)) {
      const name = prefix + key;
      const source = placeOf(name, file);
      if (names.includes(name)) given.set(name, { value: absolute(name, value, dirname(file.path)), source });
      else if (!names.some((known) => known.startsWith(`${name}.`))) problems.push(`${source}: unknown key ${name}${hint(name, names)}`);
      else if (isTable(value)) visit(value, `${name}.`);
      else problems.push(`${name} (${source}): expected a table`);
    }
  };
  visit(parsed(file), '');
  return given;
};

/** What the environment gives. An empty variable counts as not set, because compose files cannot leave one out. */
export const fromEnvironment = (
  settings: readonly Setting[],
  env: NodeJS.ProcessEnv,
  cwd: string,
  problems: string[],
): Map<string, Given> => {
  const given = new Map<string, Given>();
  const variables = [...settings.map(({ variable }) => variable), 'COUNTERSIGN_CONFIG'];
  for (const variable of Object.keys(env).filter((name) => name.startsWith('COUNTERSIGN_'))) {
    const setting = settings.find((known) => known.variable === variable);
    const text = env[variable] ?? '';
    if (!variables.includes(variable)) problems.push(`unknown variable ${variable}${hint(variable, variables)}`);
    if (setting === undefined || text === '') continue;
    given.set(setting.name, { value: absolute(setting.name, typed(text, setting.preset), cwd), source: variable });
  }
  return given;
};

const parsed = ({ shown, text }: { shown: string; text: string }): object => {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new ConfigError([`${shown}:${error.line}: ${error.message.split('\n')[0]}`]);
  }
};

const PATH_NAME = /(_(dir|files?)|\b(module|script))$/;

const isTable = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

/** `file:line`, or the file alone where the text does not show the line plainly: smol-toml keeps no positions. */
const placeOf = (name: string, { shown, text }: { shown: string; text: string }): string => {
  let table = '';
  for (const [index, line] of text.split('\n').entries()) {
    const [, header] = /^\s*\[{1,2}\s*([\w.-]+)\s*\]/.exec(line) ?? [];
    const [, key] = /^\s*([\w.-]+)\s*=/.exec(line) ?? [];
    if (header !== undefined) table = `${header}.`;
    const opens = header !== undefined && `${header}.`.startsWith(`${name}.`);
    const gives = key !== undefined && (`${name}.`.startsWith(`${table}${key}.`) || `${table}${key}.`.startsWith(`${name}.`));
    if (opens || gives) return `${shown}:${index + 1}`;
  }
  return shown;
};

/** Numbers, lists and yes or no have no types in the environment: the default of the setting says what the text means. */
const typed = (text: string, preset: unknown): unknown => {
  if (typeof preset === 'number' && /^\d+$/.test(text)) return Number(text);
  if (typeof preset === 'boolean' && /^(true|false)$/.test(text)) return text === 'true';
  if (Array.isArray(preset))
    return text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
  return text;
};

/** The paths in a value, wherever they stand in it, by the names that they have. */
const absolute = (name: string, value: unknown, base: string): unknown => {
  if (Array.isArray(value)) return value.map((item) => absolute(name, item, base));
  if (isTable(value)) return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, absolute(key, member, base)]));
  return typeof value === 'string' && value !== '' && PATH_NAME.test(name) ? resolve(base, value) : value;
};

const hint = (name: string, known: readonly string[]): string => {
  const other = nearest(name, known);
  return other === null ? '' : `; did you mean ${other}?`;
};
