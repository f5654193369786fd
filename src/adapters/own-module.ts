import { pathToFileURL } from 'node:url';

/** A module of the ASPSP's own cannot be used. */
export class UnusableModule extends Error {
  override name = 'UnusableModule';
}

type Hook = (...given: never[]) => unknown;

/** The functions of these names that an ES module exports. Throws UnusableModule where it cannot be loaded, or one that it needs is missing. */
export const ownModule = async <Name extends string>(
  file: string,
  { needed = [], known }: { needed?: readonly Name[]; known: readonly Name[] },
): Promise<Partial<Record<Name, Hook>>> => {
  let exported: Readonly<Record<string, unknown>>;
  try {
    exported = await import(pathToFileURL(file).href);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new UnusableModule(`${file}: the module could not be loaded (${code ?? message.split('\n')[0]})`, { cause });
  }
  const found: Partial<Record<Name, Hook>> = {};
  for (const name of known) {
    const hook = exported[name];
    if (hook === undefined && !needed.includes(name)) continue;
    if (typeof hook !== 'function') throw new UnusableModule(`${file}: expected an exported function ${name}`);
    found[name] = hook as Hook;
  }
  return found;
};

/** What a hook gives, awaited; rejects when it takes longer. What it does after that is heeded by nobody. */
export const inTime = async <T>(timeoutMs: number, work: () => T | Promise<T>): Promise<Awaited<T>> => {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  try {
    return await Promise.race([late, (async () => work())()]);
  } finally {
    clearTimeout(timer);
  }
};
