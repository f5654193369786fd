import { type DomainEvent, families } from '../catalogue.ts';

/** What an auditor asks about. */
export const SUBJECT_KINDS = ['consent', 'request', 'device', 'psu', 'client'] as const;
export type SubjectKind = (typeof SUBJECT_KINDS)[number];

/** Something that an auditor asks about, by its id. */
export interface Subject {
  kind: SubjectKind;
  id: string;
}

const CATEGORY = new Map<string, string>();
for (const { category, definitions } of families) for (const type of Object.keys(definitions)) CATEGORY.set(type, category);

/** The stream that an event stands in. */
export const streamOf = ({ type, id }: Pick<DomainEvent, 'type' | 'id'>): string => `${CATEGORY.get(type)}-${id}`;

// What the id behind a category is the id of.
const OWN: Readonly<Record<string, SubjectKind>> = {
  consent: 'consent',
  cibaRequest: 'request',
  authorization: 'request',
  device: 'device',
  client: 'client',
};

const MEMBERS: Readonly<Record<string, SubjectKind>> = {
  clientId: 'client',
  psuId: 'psu',
  requiredPsuId: 'psu',
  deviceId: 'device',
  consentId: 'consent',
  requestId: 'request',
};

/** All that an event says it is about, in public: what its stream is, and whom its data names. */
export const subjectsOf = (event: DomainEvent): readonly Subject[] => {
  const data: Readonly<Record<string, unknown>> = event.data;
  const named = Object.entries(MEMBERS).flatMap(([member, kind]) => {
    const id = data[member];
    return typeof id === 'string' ? (kind === 'psu' ? ofKey(id) : [{ kind, id }]) : [];
  });
  const authorisers = (Array.isArray(data['authorisers']) ? data['authorisers'] : []).map((id: string) => ({ kind: 'psu', id }) as const);
  return [...ofCategory(CATEGORY.get(event.type) ?? '', event.id), ...named, ...authorisers];
};

const ofCategory = (category: string, id: string): readonly Subject[] => {
  if (category === 'psu') return ofKey(id);
  const kind = OWN[category];
  return kind === undefined ? [] : [{ kind, id }];
};

/** Where no PSU is known, what stands in the place of one names the keys of an aggregate: its category and its id. */
const ofKey = (psuId: string): readonly Subject[] => {
  const border = psuId.indexOf(' ');
  const category = psuId.slice(0, Math.max(border, 0));
  return families.some((family) => family.category === category)
    ? ofCategory(category, psuId.slice(border + 1))
    : [{ kind: 'psu', id: psuId }];
};
