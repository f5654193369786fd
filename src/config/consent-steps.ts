import { z } from 'zod';
import { PERMISSIONS } from '../domain/consent/permissions.ts';
import { optionalFile, text } from './kinds.ts';
import { referenceClass } from './reference-class.ts';

/** The steps that are built in, each with the name that the reference's class has for it. */
const RETRIEVE = {
  'non-regulatory': 'NonRegulatoryConsentStep',
  'ciba-retrieval': 'CIBAConsentRetrievalStep',
  'default-retrieval': 'DefaultConsentRetrievalStep',
};
const PERSIST = { 'ciba-persist': 'CIBAConsentPersistStep', 'default-persist': 'DefaultConsentPersistStep' };

const DEFAULT_TIMEOUT_MS = 2000;

const step = z.strictObject({
  name: text,
  priority: z.int(),
  module: optionalFile,
  url: z
    .string()
    .refine((value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol), 'expected an https URL')
    .nullable()
    .default(null),
  secret_file: optionalFile,
  timeout_ms: z.int().min(1).max(10_000).default(DEFAULT_TIMEOUT_MS),
});

/** The name of a step by ours, or by the reference's class, with its own package or without. */
const nameIn = (builtIn: Readonly<Record<string, string>>, name: string): string =>
  Object.entries(builtIn).find(([, alias]) => alias === (referenceClass(name) ?? name))?.[0] ?? name;

/** Where tables cannot be written, in the environment, a built-in step is `name:priority`. */
const fromText = (value: unknown): unknown => {
  const [, name, priority] = (typeof value === 'string' && /^(.+):(\d+)$/.exec(value)) || [];
  return name === undefined ? value : { name, priority: Number(priority) };
};

const list = (builtIn: Readonly<Record<string, string>>) =>
  z
    .array(z.preprocess(fromText, step))
    .min(1)
    .transform((steps) =>
      steps.map(({ secret_file: secretFile, timeout_ms: timeoutMs, ...given }) => {
        return { ...given, name: nameIn(builtIn, given.name), secretFile, timeoutMs };
      }),
    )
    .superRefine((steps, { addIssue }) => {
      for (const [index, { name, priority, module, url, secretFile }] of steps.entries()) {
        const own = module !== null || url !== null;
        if (steps.findIndex((other) => other.name === name) < index) addIssue(`${name} stands there twice`);
        if (steps.findIndex((other) => other.priority === priority) < index) addIssue(`${name} has the priority of another step`);
        const known = Object.hasOwn(builtIn, name);
        if (known && own) addIssue(`${name} is built in: a step of your own has another name`);
        if (!known && !own)
          addIssue(`${name} is no step that is built in (${Object.keys(builtIn).join(', ')}), and has neither module nor url`);
        if (module !== null && url !== null) addIssue(`${name}: expected module or url, not both`);
        if (secretFile !== null && url === null) addIssue(`${name}: secret_file goes with url`);
      }
    });

const builtIn = (...names: string[]) =>
  names.map((name, index) => {
    const nothing = { module: null, url: null, secretFile: null, timeoutMs: DEFAULT_TIMEOUT_MS };
    return { name, priority: 100 * (index + 1), ...nothing };
  });

const retrieve = list(RETRIEVE).default(builtIn(...Object.keys(RETRIEVE)));
const persist = list(PERSIST)
  .superRefine((steps, { addIssue }) => {
    const recording = steps.filter(({ name }) => Object.hasOwn(PERSIST, name));
    if (!recording.some(({ name }) => name === 'default-persist')) addIssue('expected default-persist, which records what was answered');
    const first = Math.min(...recording.map(({ priority }) => priority));
    for (const { name, priority } of steps)
      if (!Object.hasOwn(PERSIST, name) && priority > first)
        addIssue(`${name} comes when the answer is recorded already: give it a lower priority`);
  })
  .default(builtIn(...Object.keys(PERSIST)));

/** What stands between a request for a consent and its PSU. */
export const consentSettings = z.strictObject({
  permissions: z
    .array(z.enum(PERMISSIONS))
    .min(1)
    .default([...PERMISSIONS])
    .describe('The permissions that a consent to account access may ask for; every one of Open Banking 3.1 if not set.'),
  authorizeSteps: z.strictObject({
    retrieve: retrieve.describe(
      'The steps, lower priority first, that say what a PSU is shown of a consent and which accounts: each with name and priority, one of your own with module or url, secret_file and timeout_ms.',
    ),
    persist: persist.describe(
      'The steps, lower priority first, that an approval passes: those that are built in record it, one of your own before them may refuse it.',
    ),
  }),
  pageUrl: z
    .string()
    .refine((value) => URL.parse(value)?.protocol === 'https:' && !value.includes('#'), 'expected an https URL without fragment')
    .nullable()
    .default(null)
    .describe(
      'The consent page of your own, to which a browser goes that has signed in, with the parameter sessionDataKeyConsent; the one of the engine if not set.',
    ),
});

/** The URLs of an operator's own services, which the settings name. */
export const urlsOfSteps = ({ authorizeSteps: { retrieve, persist } }: z.infer<typeof consentSettings>): readonly [string, string][] =>
  Object.entries({ retrieve, persist }).flatMap(([list, steps]) =>
    steps.flatMap(({ url }): [string, string][] => (url === null ? [] : [[`consent.authorize_steps.${list}`, url]])),
  );
