import { type Agreed, type Compared, type Comparing, readCheckpoints } from './compared.ts';
import { type LeafEvent, leafHash, leafOf } from './leaf.ts';
import { KNOWN, type KnownType, membersIn, readAs } from './rules/known.ts';
import { judge } from './rules/rules.ts';
import { type Fact, newWorld } from './rules/world.ts';
import { makeSealedParts, type OpenSealed, type SealedCounts, subjectOf } from './sealed-parts.ts';
import { growing, verifyInclusion } from './tree.ts';

export type { Compared };

/** Something that is not as it has to be, and where. */
export interface Doubt {
  /** The number of the rule in docs/verify.md. */
  rule: string;
  /** Of the fact, or of the first that it may be; null for what is no fact's. */
  index: number | null;
  stream: string | null;
  revision: number | null;
  id: string | null;
  text: string;
}

/** What is verified, and against what. */
export interface VerifySettings extends Comparing {
  /** Where a range begins. */
  from?: number | undefined;
  /** Whose facts they are. */
  consent?: string | null | undefined;
  /** Whether more facts may come than the checkpoints cover: the log goes on. */
  growing: boolean;
  /** Opens what is sealed; null where no keys were given. */
  open: OpenSealed | null;
  /** Whether `open` has every key that is left. */
  hasAllKeys: boolean;
  /** The hashes of the first leaves of the tree that the facts come with. */
  leaves?: { size: number; hashAt(index: number): Buffer };
}

/** One fact to verify. */
export interface Entry {
  index: number;
  event: LeafEvent;
  /** The way from its leaf to the root of the checkpoint that it comes with. */
  proof?: readonly Buffer[] | undefined;
  /** What its sealed part had for a hash, where that was taken away. */
  sealedHash?: string | undefined;
  /** The key of its sealed part. */
  key?: string | undefined;
}

/** What was verified, and what is in doubt. */
export interface Report {
  verdict: 'no doubt' | 'doubt';
  extent: VerifySettings['extent'];
  /** Whether the rules were replayed: what came before is not there in a range that begins later. */
  replayed: boolean;
  facts: number;
  streams: number;
  /** The checkpoints that agree with the facts. */
  checkpoints: Agreed[];
  /** Facts behind all checkpoints. */
  uncovered: number;
  tokens: number;
  signatures: number;
  sealed: SealedCounts;
  overlaps: number;
  /** Where the first doubt may begin. */
  first: number | null;
  doubtCount: number;
  /** The first thousand of them, and the first of each rule. */
  doubts: Doubt[];
}

/** Takes the facts one by one, in their order, and says what it found. */
export interface Verification {
  /** How many facts the newest checkpoint says there are; null without one. */
  size: number | null;
  fact(entry: Entry): void;
  /** Notes what is wrong with what the facts stand in. */
  say(rule: string, text: string, index: number | null): void;
  report(): Report;
}

const MOST_DOUBTS = 1000;

/** Verifies facts against checkpoints, the form of each of them, and all of them against the rules. */
export const makeVerification = (settings: VerifySettings): Verification => {
  const { extent, open, hasAllKeys, leaves } = settings;
  const doubts: Doubt[] = [];
  const rules = new Set<string>();
  let doubtCount = 0;
  let first: number | null = null;
  // Where the fact at hand stands: in a whole log by its place, whatever it says itself.
  let place = 0;
  let event: LeafEvent | undefined;

  const note = (rule: string, text: string, index: number | null, event?: LeafEvent) => {
    doubtCount += 1;
    if (index !== null && (first === null || index < first)) first = index;
    if (doubts.length >= MOST_DOUBTS && rules.has(rule)) return;
    rules.add(rule);
    doubts.push({ rule, index, stream: event?.stream ?? null, revision: event?.revision ?? null, id: event?.id ?? null, text });
  };
  const say = (rule: string, text: string) => note(rule, text, place, event);

  const { newest, borders, agreed } = readCheckpoints(settings, note);
  const tree = growing();
  const isWhole = extent === 'whole';
  // Of a range that begins later, what its facts stand on is not there.
  const replayed = extent !== 'range' || settings.from === 0;
  const world = newWorld(extent !== 'consent');
  const revisions = new Map<string, number>();
  const ids = makeIds();
  const sealedParts = makeSealedParts(open, hasAllKeys);
  const fact: Fact = { type: '', id: '', revision: 0, at: 0, recordedAt: 0, data: {}, sealedFor: null, opened: undefined };
  let facts = 0;
  let expected: number | null = isWhole ? 0 : (settings.from ?? null);
  let border = borders[0];
  let agreedSize = 0;
  let anchor = 0;
  let isOther = false;
  let isOfConsent = extent !== 'consent';

  /** The root that the facts so far add up to, where a checkpoint says what it has to be. */
  const compareRoots = () => {
    while (border !== undefined && border.size === tree.size) {
      const { size, from, cosignatures, anchors } = border;
      if (tree.root().equals(border.root)) {
        agreedSize = size;
        // Whoever has the key of the log can make its own checkpoint agree with anything.
        if (anchors) anchor = size;
        agreed.push({ from, size, cosignatures: cosignatures.length });
      } else note('T1', `facts ${anchor} to ${size - 1} are not those of the checkpoint of ${size} from ${from}`, anchor);
      borders.shift();
      border = borders[0];
    }
  };

  const judgeTree = ({ index, event, proof, sealedHash }: Entry) => {
    const leaf = leafHash(sealedHash === undefined ? leafOf(event) : leafWith(event, sealedHash));
    if (!isWhole) {
      if (newest === null || !verifyInclusion({ index, size: newest.size, leaf, proof: proof ?? [], root: newest.root }))
        say('T3', 'nothing proves that the fact is in the tree of the checkpoint');
      return;
    }
    if (leaves !== undefined && !isOther && index < leaves.size && !leaf.equals(leaves.hashAt(index))) {
      isOther = true;
      say('T4', 'the fact is not the one that the tree was made of');
    }
    tree.append(leaf);
    if (border?.size === tree.size) compareRoots();
  };

  const judgeOrder = ({ index, event: { stream, revision, id } }: Entry) => {
    if (expected !== null && (extent === 'consent' ? index < expected : index !== expected))
      say('S1', `fact ${expected} is expected${extent === 'consent' ? ', or one behind it' : ''}`);
    expected = index + 1;
    const next = revisions.get(stream) ?? (replayed ? 0 : revision);
    if (revision !== next) say('S2', `revision ${next} of the stream is expected`);
    revisions.set(stream, revision + 1);
    if (!ids.add(id)) say('S3', 'another event has the same id');
  };

  const judgeContent = (known: KnownType, { event, sealedHash, key }: Entry) => {
    const { stream, revision, version, compatibleFrom = version, data: text, sealed } = event;
    const { category } = known;
    const as = readAs(known, version, compatibleFrom);
    const data = as === null ? null : membersIn(text, as, version > known.versions.length);
    if (as === null) say('S4', `version ${version} of ${event.type} is not known here`);
    else if (data === null) say('P1', 'the public part has not the members of its type');
    if (as === null || data === null) return;
    if (!stream.startsWith(category) || stream[category.length] !== '-' || stream.length === category.length + 1)
      say('S4', `${event.type} stands on another kind of stream`);
    const hasSealed = sealed !== null || sealedHash !== undefined;
    if (as.sealed !== 'maybe' && hasSealed !== (as.sealed === 'always')) say('P2', `the sealed part is ${hasSealed ? 'there' : 'missing'}`);
    fact.type = event.type;
    fact.id = stream.slice(category.length + 1);
    fact.revision = revision;
    fact.at = data['at'] as number;
    fact.recordedAt = event.recordedAt;
    fact.data = data;
    fact.sealedFor = hasSealed ? subjectOf(category, fact.id, data) : null;
    fact.opened = fact.sealedFor === null ? undefined : sealedParts.open(place, event, { subject: fact.sealedFor, key }, say);
    if (category === 'psu') sealedParts.destroyed(event.type, data);
    if (replayed) judge(world, category, fact, say);
  };

  return {
    size: newest?.size ?? null,
    fact(given) {
      event = given.event;
      place = isWhole ? facts : given.index;
      facts += 1;
      isOfConsent ||= given.event.correlationId === settings.consent;
      judgeOrder(given);
      judgeTree(given);
      const known = KNOWN.get(given.event.type);
      if (known === undefined) say('S4', `${given.event.type} is not known here`);
      else judgeContent(known, given);
    },
    say: note,
    report() {
      if (isWhole) {
        if (border?.size === tree.size) compareRoots();
        for (const { size, from } of borders)
          note('T2', `the facts end at ${facts}; from ${anchor} on they are not those of the checkpoint of ${size} from ${from}`, anchor);
        if (newest !== null && facts > newest.size && !settings.growing)
          note('T2', 'there are more facts than the checkpoint covers', newest.size);
        if (leaves !== undefined && !isOther && leaves.size > facts)
          note('T4', `the facts end at ${facts}, and the tree was made of ${leaves.size}`, facts);
      }
      if (!isOfConsent) note('S5', 'no fact is of the consent', null);
      const sealed = sealedParts.settle(note);
      return {
        verdict: doubtCount === 0 ? 'no doubt' : 'doubt',
        extent,
        replayed,
        facts,
        streams: revisions.size,
        checkpoints: agreed,
        uncovered: isWhole ? Math.max(0, facts - agreedSize) : 0,
        ...{ tokens: world.tokens, signatures: world.signatures, sealed, overlaps: world.overlaps },
        ...{ first, doubtCount, doubts },
      };
    },
  };
};

/** The leaf of a fact whose sealed part was taken away. */
const leafWith = (event: LeafEvent, sealedHash: string): string =>
  // A quote inside a text stands behind a backslash, so that this is the member.
  leafOf({ ...event, sealed: null }).replace('"sh":""', `"sh":"${sealedHash}"`);

const SHARDS = 256;

/** The ids that were seen. One Set holds 16 million at most. */
const makeIds = () => {
  const shards = Array.from({ length: SHARDS }, () => new Set<string>());
  return {
    /** Whether it is new. */
    add(id: string): boolean {
      const shard = shards[((id.charCodeAt(0) * 31 + id.charCodeAt(2)) * 31 + id.charCodeAt(5)) % SHARDS] ?? (shards[0] as Set<string>);
      const { size } = shard;
      return shard.add(id).size > size;
    },
  };
};
