import type { EvidenceLog } from '../../evidence/log.ts';
import type { Handler, Route, RouteDoc } from '../route.ts';
import { PATHS } from '../surface.ts';
import { type EntriesDeps, entryRoutes } from './entries.ts';
import { nothingThere, TILE_TYPE, tileOf, tilePaths, tileReply } from './tiles.ts';

const TEXT = 'text/plain';
// A tile never changes, also one that is not full: a wider one has another path.
const FOR_EVER = 'public, max-age=31536000, immutable';

/** The evidence log as C2SP tlog-tiles has it: files that hold nothing but hashes, and the leaves for auditors. */
export const tlogRoutes = (deps: EntriesDeps): Route[] => {
  const { evidence } = deps;
  return [
    textRoute('/checkpoint', 'The newest checkpoint of the evidence log that its witnesses have cosigned; without one the newest', () =>
      checkpointOf(evidence),
    ),
    textRoute('/checkpoint/newest', 'The newest checkpoint of the evidence log, whether it was cosigned or not', async () =>
      noteOf(await evidence.checkpoint()),
    ),
    textRoute('/key', 'The key that checkpoints of the evidence log are verified with', async () => `${evidence.verifierKey}\n`),
    // Ahead of the others, whose level could be called so.
    ...entryRoutes(deps),
    ...tilePaths('{level}').map((path) => tileRoute(path, evidence)),
  ];
};

const checkpointOf = async (evidence: EvidenceLog): Promise<string> => noteOf((await evidence.cosigned()) ?? (await evidence.checkpoint()));

const noteOf = (checkpoint: { note: string } | null): string => {
  if (checkpoint === null) throw nothingThere();
  return checkpoint.note;
};

const PUBLIC: Pick<RouteDoc, 'security' | 'errors'> = { security: 'none', errors: ['not_found'] };

const textRoute = (path: string, summary: string, text: () => Promise<string>): Route => ({
  method: 'GET',
  path: PATHS.tlog + path,
  doc: { summary, ...PUBLIC, answers: { 200: TEXT } },
  handle: async () => ({
    status: 200,
    headers: { 'Content-Type': `${TEXT}; charset=utf-8`, 'Cache-Control': 'no-cache' },
    body: await text(),
  }),
});

const tileRoute = (path: string, evidence: EvidenceLog): Route => {
  const handle: Handler = async ({ params }) => {
    const { level, index, width } = await tileOf(evidence, params);
    const bytes = level === 'entries' ? null : evidence.tile(level, index, width);
    if (bytes === null) throw nothingThere();
    return tileReply(bytes, FOR_EVER);
  };
  return { method: 'GET', path, doc: { summary: 'A tile of hashes of the evidence log', ...PUBLIC, answers: { 200: TILE_TYPE } }, handle };
};
