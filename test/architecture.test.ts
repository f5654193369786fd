import { globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const ROOT = join(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
// Without the lines that are comments.
const codeOf = (file: string): string[] =>
  read(file)
    .split('\n')
    .filter((line) => !/^\s*(\/\/|\/?\*)/.test(line));
const filesIn = (...patterns: string[]): string[] => globSync(patterns, { cwd: ROOT }).sort();

/** One import: `from` is the importing file, `to` a file of the repository or the name of a library. */
interface Import {
  from: string;
  specifier: string;
  to: string;
  typeOnly: boolean;
}

// import … from '…', export … from '…', import '…', import('…')
const STATEMENT = /^\s*(?:import|export)\s+(type\s)?(?:[\w\s{},*$]*?from\s+)?'([^']+)'|\bimport\(\s*'([^']+)'/gm;

const importsOf = (from: string): Import[] =>
  [...codeOf(from).join('\n').matchAll(STATEMENT)].map(([, type, named, loaded]) => {
    const specifier = named ?? loaded ?? '';
    const to = specifier.startsWith('.') ? join(from, '..', specifier) : specifier;
    return { from, specifier, to, typeOnly: type !== undefined };
  });

const sources = filesIn('src/**/*.ts');
const everything = filesIn('{src,test,bench,examples}/**/*.ts', 'tools/**/*.js', '*.js');
const imports = everything.flatMap(importsOf);
const isOutside = (to: string) => !/^(src|test|bench|examples|tools)\//.test(to);

/** What the files of a layer may import, besides libraries where it says so. Layers that are not named here may import nothing. */
const LAYERS: { files: RegExp; layers: RegExp; libraries: RegExp }[] = [
  { files: /^src\/domain\//, layers: /^src\/domain\//, libraries: /^zod$/ },
  { files: /^src\/evidence\//, layers: /^src\/(evidence|domain)\//, libraries: /^(zod|node:(crypto|buffer))$/ },
  { files: /^src\/projections\//, layers: /^src\/(projections|domain)\//, libraries: /^rxjs$/ },
  { files: /^src\/api\//, layers: /^src\/(api|projections|evidence|domain)\//, libraries: /./ },
  { files: /^src\/adapters\//, layers: /^src\/(adapters|evidence|domain)\//, libraries: /./ },
  { files: /^src\/demo\//, layers: /^src\/demo\//, libraries: /./ },
  // A setting that names a profile, a member of registrations or a permission takes the table itself: a copy would soon be another one.
  {
    files: /^src\/config(\.ts$|\/)/,
    layers: /^src\/(config\/|domain\/(client\/(profiles|wanted)|consent\/permissions)\.ts$)/,
    libraries: /./,
  },
  { files: /^src\/((engine|serve|main|cli)\.ts$|(engine|serve|cli)\/)/, layers: /^src\//, libraries: /./ },
];

const isAllowed = ({ from, to, typeOnly }: Import): boolean => {
  // The ports that are followed name the type of what they return.
  if (/^src\/domain\/ports\/(event-store|news)\.ts$/.test(from) && to === 'rxjs') return typeOnly;
  const layer = LAYERS.find(({ files }) => files.test(from));
  return layer !== undefined && (isOutside(to) ? layer.libraries : layer.layers).test(to);
};

describe('the arrows', () => {
  test('are seen, whatever the import looks like', () => {
    const seen = (from: string) => importsOf(from).map(({ specifier }) => specifier);
    expect(seen('src/domain/decide.ts')).toContain('./ports/event-store.ts');
    expect(seen('src/domain/ports/event-store.ts')).toEqual(['rxjs']);
    expect(seen('src/adapters/tls/certificates.ts')).toContain('reflect-metadata');
    expect(seen('src/api/tpp/backchannel-authentication.ts')).toContain('../../domain/ciba-request/request.ts');
    expect(imports.length).toBeGreaterThan(everything.length);
  });

  test('point inward', () => {
    const against = imports.filter(({ from }) => from.startsWith('src/')).filter((one) => !isAllowed(one));
    expect(against.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
  });

  test('never lead from src to the tests or the bench', () => {
    const against = imports.filter(({ from, to }) => from.startsWith('src/') && /^(test|bench|tools|examples)\//.test(to));
    expect(against).toEqual([]);
  });

  test('name their file, with its .ts', () => {
    const unnamed = imports.filter(
      ({ from, specifier }) => from.endsWith('.ts') && specifier.startsWith('.') && !specifier.endsWith('.ts'),
    );
    expect(unnamed.map(({ from, specifier }) => `${from} imports ${specifier}`)).toEqual([]);
  });

  test('never come back to where they began', () => {
    const leadTo = Map.groupBy(
      imports.filter(({ typeOnly, to }) => !typeOnly && !isOutside(to)),
      ({ from }) => from,
    );
    const done = new Set<string>();
    const cycles: string[] = [];
    const walk = (file: string, path: readonly string[]) => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' > '));
      if (done.has(file) || path.includes(file)) return;
      for (const { to } of leadTo.get(file) ?? []) walk(to, [...path, file]);
      done.add(file);
    };
    for (const file of everything) walk(file, []);
    expect(cycles).toEqual([]);
  });
});

describe('the simulators', () => {
  const SIMULATORS = ['test/wso2/support/phone.ts', 'test/support/gateway-simulator.ts'];

  test.each(SIMULATORS)('%s knows the wire and nothing of this repository', (file) => {
    const own = importsOf(file);
    expect(own.map(({ to }) => to)).toContainEqual(expect.stringMatching(/^node:/));
    expect(own.filter(({ to }) => !isOutside(to))).toEqual([]);
  });
});

describe('the domain', () => {
  const IMPURE =
    /\bDate\.now\(|\bnew Date\(|\bMath\.random\(|\b(set(Timeout|Interval|Immediate)|queueMicrotask|fetch)\(|\b(process|performance|crypto|console|globalThis)\.|'node:/;
  test.each(filesIn('src/domain/**/*.ts'))('%s has no clock, chance, timer, network or disk', (file) => {
    expect(codeOf(file).filter((line) => IMPURE.test(line))).toEqual([]);
  });
});

// Of node:crypto it takes what gives the same for the same: hashes, and what is signed, verified and opened with a key that it is handed.
describe('the evidence', () => {
  const IMPURE =
    /\bDate\.now\(|\bnew Date\(\)|\brandom|\bgenerateKey|\b(set(Timeout|Interval|Immediate)|queueMicrotask|fetch)\(|\b(process|performance|console)\./;
  test.each(filesIn('src/evidence/**/*.ts'))('%s has no clock, chance, timer, network or disk', (file) => {
    expect(codeOf(file).filter((line) => IMPURE.test(line))).toEqual([]);
  });
});

describe('every source file', () => {
  test('is short', () => expect(sources.filter((file) => read(file).split('\n').length > 300)).toEqual([]));
  test('has a name in kebab-case', () => expect(sources.filter((file) => !/^src(\/[a-z0-9-]+)+\.ts$/.test(file))).toEqual([]));
});

describe('package.json', () => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<
    'dependencies' | 'devDependencies',
    Record<string, string>
  >;
  const libraryOf = (specifier: string): string => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  const used = (under: RegExp) =>
    new Set(imports.filter(({ from, to }) => under.test(from) && isOutside(to) && !to.startsWith('node:')).map(({ to }) => libraryOf(to)));

  // Called as commands by npm scripts and tests, or read by the compiler.
  const TOOLS = /^(typescript|@biomejs\/biome|jest|newman|@types\/.+)$/;

  test('names nothing that is not used', () => {
    const imported = used(/./);
    const idle = Object.keys({ ...dependencies, ...devDependencies }).filter((name) => !TOOLS.test(name) && !imported.has(name));
    expect(idle).toEqual([]);
  });

  test('gives src what it uses, and users nothing that only tests use', () => {
    expect([...used(/^src\//)].sort()).toEqual(Object.keys(dependencies).sort());
  });

  test('names everything that is used', () => {
    const named = { ...dependencies, ...devDependencies };
    expect([...used(/./)].filter((name) => !(name in named))).toEqual([]);
  });
});

describe('the repository', () => {
  const NOT_OURS = new Set(['node_modules', '.git', 'data', 'coverage', 'dist']);
  const ours = readdirSync(ROOT, { withFileTypes: true })
    .filter(({ name }) => !NOT_OURS.has(name) && !/\.(log|cpuprofile)$/.test(name))
    .flatMap((entry) =>
      entry.isDirectory()
        ? readdirSync(join(ROOT, entry.name), { recursive: true, withFileTypes: true })
            .filter((inner) => inner.isFile() && !inner.parentPath.includes('node_modules'))
            .map((inner) => join(inner.parentPath, inner.name).slice(ROOT.length + 1))
        : [entry.name],
    );

  test('knows no path of one machine', () => {
    const machine = new RegExp(`/(${['work', 'root', 'home', 'Users'].join('|')})/`);
    expect(ours).toContain('test/architecture.test.ts');
    expect(ours.filter((file) => machine.test(read(file)))).toEqual([]);
  });
});
