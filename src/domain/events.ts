import type * as z from 'zod';
import type { Actor, NewEvent, StoredEvent } from './ports/event-store.ts';
import type { Sealed, SealedFor, Sealer } from './ports/sealer.ts';
import type { Retention } from './psu/retention.ts';

/** A stored event that this program cannot read: its type or version is unknown, or its parts do not fit its schema. */
export class UnreadableEvent extends Error {
  readonly event: Pick<StoredEvent, 'type' | 'version' | 'stream' | 'position'>;

  constructor({ type, version, stream, position }: UnreadableEvent['event'], options?: ErrorOptions) {
    super(`event ${position} (${type} version ${version} in ${stream}) cannot be read by this version of Countersign`, options);
    this.name = 'UnreadableEvent';
    this.event = { type, version, stream, position };
  }
}

type Upcast = (older: never) => unknown;

interface PersonalVersions {
  /** Null for a version that had none. */
  readonly schemas: readonly (z.ZodObject | null)[];
  readonly upcasts: readonly Upcast[];
  /** Whether an event may go without it. */
  readonly optional: boolean;
}

/** Every schema an event type ever had, oldest first. */
export interface Versions<Data, Personal> {
  readonly schemas: readonly z.ZodObject[];
  readonly upcasts: readonly Upcast[];
  /** The schema of the personal part in each version, and how the part of each reads in the next. Null for a type without one. */
  readonly personal: PersonalVersions | null;
  /** For each version the lowest one whose readers can read it. */
  readonly compatibleFrom: readonly number[];
  /** Only carries the type. */
  readonly personalType?: Personal;
  /** Adds the next version and says how the one before reads in it. The personal part keeps its schema. */
  next<Next extends z.ZodObject>(schema: Next, upcast: (older: Data) => z.output<Next>): Versions<z.output<Next>, Personal>;
  /** Adds the next version with a new schema of the personal part. */
  next<Next extends z.ZodObject, NextPersonal extends z.ZodObject>(
    schema: Next,
    upcast: (older: Data) => z.output<Next>,
    personal: NextPersonal,
    upcastPersonal: (older: Personal) => z.output<NextPersonal>,
  ): Versions<z.output<Next>, z.output<NextPersonal>>;
  /** Adds the next version to a type that had no personal part: from here on an event may have one, and states null where it has none. */
  nextWithPersonal<Next extends z.ZodObject, NextPersonal extends z.ZodObject>(
    schema: Next,
    upcast: (older: Data) => z.output<Next>,
    personal: NextPersonal,
  ): Versions<z.output<Next>, z.output<NextPersonal> | null>;
  /**
   * Says of the newest version that programs which know only the one before may read it as that, and leave out what they do not know: it adds
   * members at its top, and no fact that these programs must not miss.
   */
  readableByOlder(): Versions<Data, Personal>;
}

const same: Upcast = (older) => older;

const makeVersions = <Data, Personal>(
  schemas: readonly z.ZodObject[],
  upcasts: readonly Upcast[],
  personal: Versions<Data, Personal>['personal'],
  compatibleFrom: readonly number[] = [1],
): Versions<Data, Personal> => ({
  schemas,
  upcasts,
  personal,
  compatibleFrom,
  next: (schema: z.ZodObject, upcast: Upcast, nextPersonal?: z.ZodObject, upcastPersonal: Upcast = same) =>
    makeVersions<never, never>(
      [...schemas, schema],
      [...upcasts, upcast],
      personal && {
        ...personal,
        schemas: [...personal.schemas, nextPersonal ?? (personal.schemas.at(-1) as z.ZodObject)],
        upcasts: [...personal.upcasts, upcastPersonal],
      },
      [...compatibleFrom, schemas.length + 1],
    ),
  nextWithPersonal: (schema: z.ZodObject, upcast: Upcast, nextPersonal: z.ZodObject) =>
    makeVersions<never, never>(
      [...schemas, schema],
      [...upcasts, upcast],
      { schemas: [...schemas.map(() => null), nextPersonal], upcasts: schemas.map(() => same), optional: true },
      [...compatibleFrom, schemas.length + 1],
    ),
  readableByOlder() {
    for (const kept of [schemas, personal?.schemas ?? []]) onlyAdds(kept.at(-2), kept.at(-1));
    const before = compatibleFrom.at(-2);
    if (before === undefined) throw new TypeError('there is no older version');
    return makeVersions<Data, Personal>(schemas, upcasts, personal, [...compatibleFrom.slice(0, -1), before]);
  },
});

const onlyAdds = (older: z.ZodObject | null | undefined, newer: z.ZodObject | null | undefined) => {
  if (older === null && newer !== null) throw new TypeError('older programs know no personal part');
  const missing = Object.keys(older?.shape ?? {}).filter((name) => !Object.hasOwn(newer?.shape ?? {}, name));
  if (missing.length > 0) throw new TypeError(`older programs would miss ${missing.join(', ')}`);
};

/**
 * The first version of an event type: its public data, and the personal part. That is sealed under the key of `data.psuId`, or under one of
 * the aggregate's own (`<category> <id>`) where the data has no such member.
 */
export function versioned<Data extends z.ZodObject>(data: Data): Versions<z.output<Data>, null>;
export function versioned<Data extends z.ZodObject, Personal extends z.ZodObject>(
  data: Data,
  personal: Personal,
): Versions<z.output<Data>, z.output<Personal>>;
export function versioned(data: z.ZodObject, personal: z.ZodObject | null = null) {
  return makeVersions([data], [], personal && { schemas: [personal], upcasts: [], optional: false });
}

// biome-ignore lint/suspicious/noExplicitAny: any event type; the mapped types below bring the exact one back
type Definitions = Record<string, Versions<any, any>>;

/** What every event that was read carries besides its data. */
export interface Recorded {
  /** The part of the stream's name behind the category. */
  id: string;
  eventId: string;
  revision: number;
  position: number;
  recordedAt: number;
  actor: Actor;
  correlationId: string;
}

/** The events of one kind of aggregate: how they are written and read. */
export interface EventFamily<D extends Definitions> {
  category: string;
  definitions: D;
  /** How long the personal parts are kept. */
  retention: Retention;
  /** The newest version of a fact, checked, as the texts that are kept. */
  encode(fact: { type: string; data: unknown; personal?: unknown }): {
    version: number;
    compatibleFrom?: number | undefined;
    data: string;
    personal: string | null;
  };
  /**
   * The event in its newest version, whatever version is stored. One that is newer than all that are known, and says that they can read it,
   * is read as the newest of them.
   */
  decode(stored: StoredEvent): EventOf<EventFamily<D>>;
  /** The personal part of an event of this type, or null when its PSU was erased. */
  open<T extends keyof D & string>(type: T, sealed: Sealed, sealer: Sealer): PersonalOf<D[T]> | null;
}

type DataOf<V> = V extends Versions<infer Data, unknown> ? Data : never;
type PersonalOf<V> = V extends Versions<infer _Data, infer Personal> ? Personal : never;
// In brackets: of `Part | null` it is one question, not one for each member.
type SealedOf<Personal> = [Personal] extends [null] ? null : [null] extends [Personal] ? Sealed | null : Sealed;

/** The events of a family, as they are read. */
export type EventOf<F> =
  F extends EventFamily<infer D>
    ? {
        [T in keyof D & string]: Recorded & { type: T; data: DataOf<D[T]>; sealed: SealedOf<PersonalOf<D[T]>> };
      }[keyof D & string]
    : never;

/** The facts of a family, as a decision states them. */
export type FactOf<F> =
  F extends EventFamily<infer D>
    ? {
        [T in keyof D & string]: PersonalOf<D[T]> extends null
          ? { type: T; data: DataOf<D[T]> }
          : { type: T; data: DataOf<D[T]>; personal: PersonalOf<D[T]> };
      }[keyof D & string]
    : never;

/** Whose key seals the personal part of an event: the PSU's whom the data names, or one of the aggregate's own. */
export const sealingSubject = (category: string, id: string, data: unknown): string =>
  (data as { psuId?: string }).psuId ?? `${category} ${id}`;

/** For whom, and for how long, the personal part of an event is sealed. */
export const sealedFor = ({ category, retention }: { category: string; retention: Retention }, id: string, data: unknown): SealedFor => ({
  psuId: sealingSubject(category, id, data),
  retention,
  at: (data as { at?: number }).at ?? Number.NaN,
});

/** What a sealed text is bound to: its place in the log. */
export const sealingContext = (stream: string, revision: number, event: Pick<NewEvent, 'id' | 'type' | 'version'>): string =>
  `${stream}\n${revision}\n${event.id}\n${event.type}\n${event.version}`;

// A stored event never changes, and one that a store holds in memory is read by several, by projections and by the next decision: it is
// decoded once.
const DECODED = Symbol('decoded');
type Decoded = StoredEvent & { [DECODED]?: { of: StoredEvent; event: unknown } };

/**
 * Joins the event types of one category. Stored for ever: a published schema never changes, it gets a next version. Where personal parts are kept
 * by the month, the data says `at` which moment they are of.
 */
export const defineEvents = <D extends Definitions>(
  name: string | Pick<EventFamily<D>, 'category' | 'retention'>,
  definitions: D,
): EventFamily<D> => {
  const { category, retention } = typeof name === 'string' ? ({ category: name, retention: 'consent' } as const) : name;
  const definition = (type: string): Versions<unknown, unknown> => {
    const found = Object.hasOwn(definitions, type) ? definitions[type] : undefined;
    if (found === undefined) throw new TypeError(`${category} has no event type ${type}`);
    return found;
  };
  return {
    category,
    definitions,
    retention,
    encode({ type, data, personal }) {
      const { schemas, personal: personalVersions, compatibleFrom } = definition(type);
      const version = schemas.length;
      const lowest = compatibleFrom[version - 1];
      return {
        version,
        ...(lowest !== version && { compatibleFrom: lowest }),
        data: JSON.stringify(schemas[version - 1]?.parse(data)),
        personal:
          personalVersions === null || (personalVersions.optional && personal === null)
            ? null
            : JSON.stringify(personalVersions.schemas[version - 1]?.parse(personal)),
      };
    },
    decode(stored: Decoded) {
      if (stored[DECODED]?.of === stored) return stored[DECODED].event as EventOf<EventFamily<D>>;
      const versions = Object.hasOwn(definitions, stored.type) ? definitions[stored.type] : undefined;
      const version = versions === undefined ? 0 : readAs(stored, versions.schemas.length);
      const schema = versions?.schemas[version - 1];
      if (versions === undefined || schema === undefined) throw new UnreadableEvent(stored);
      if (!maySeal(versions.personal, version, stored.sealed)) throw new UnreadableEvent(stored);
      let data: unknown;
      try {
        data = (version < stored.version ? schema.strip() : schema).parse(JSON.parse(stored.data));
        for (const upcast of versions.upcasts.slice(version - 1)) data = upcast(data as never);
      } catch (cause) {
        throw new UnreadableEvent(stored, { cause });
      }
      const event = recorded(category, stored, data) as EventOf<EventFamily<D>>;
      stored[DECODED] = { of: stored, event };
      return event;
    },
    open(type, sealed, sealer) {
      const plaintext = sealer.open(sealed);
      const versions = definition(type).personal;
      // What is newer than all that is known was found to be readable when it was decoded.
      const version = Math.min(sealed.version, versions?.schemas.length ?? 0);
      const schema = versions?.schemas[version - 1];
      if (plaintext === null || versions === null || schema == null) return null;
      let personal: unknown = (version < sealed.version ? schema.strip() : schema).parse(JSON.parse(plaintext));
      for (const upcast of versions.upcasts.slice(version - 1)) personal = upcast(personal as never);
      return personal as PersonalOf<D[typeof type]> | null;
    },
  };
};

/** The version that an event is read as: its own, or the newest one that is known, where that will do. */
const readAs = ({ version, compatibleFrom = version }: StoredEvent, newest: number): number =>
  version > newest && compatibleFrom <= newest ? newest : version;

/** Whether an event of this version is sealed, or not, as its type says. */
const maySeal = (personal: PersonalVersions | null, version: number, sealed: string | null): boolean => {
  if (personal === null || personal.schemas[version - 1] === null) return sealed === null;
  return sealed !== null || personal.optional;
};

const recorded = (category: string, stored: StoredEvent, data: unknown) => ({
  id: stored.stream.slice(category.length + 1),
  eventId: stored.id,
  revision: stored.revision,
  position: stored.position,
  recordedAt: stored.recordedAt,
  actor: stored.actor,
  correlationId: stored.correlationId,
  type: stored.type,
  data,
  sealed:
    stored.sealed === null
      ? null
      : {
          psuId: sealingSubject(category, stored.stream.slice(category.length + 1), data),
          version: stored.version,
          context: sealingContext(stored.stream, stored.revision, stored),
          text: stored.sealed,
        },
});
