import { OAuthError } from '../../domain/oauth-error.ts';
import type { EvidenceLog } from '../../evidence/log.ts';
import { parseTilePath, type Tile, tileWidth } from '../../evidence/tiles.ts';
import type { Reply } from '../reply.ts';
import type { Call } from '../route.ts';
import { PATHS } from '../surface.ts';

/** The content type of tiles. */
export const TILE_TYPE = 'application/octet-stream';

const PARTS = ['index', 'index2', 'index3', 'index4', 'index5'];

/** The paths of tiles at a level: an index is of up to four parts, and a tile that is not full says so in one more. */
export const tilePaths = (level: '{level}' | 'entries'): string[] =>
  PARTS.map((_, last) => [PATHS.tlog, 'tile', level, ...PARTS.slice(0, last + 1).map((part) => `{${part}}`)].join('/'));

/** The tile that a call asks for, if the published tree has it. */
export const tileOf = async (evidence: EvidenceLog, params: Call['params']): Promise<Tile> => {
  const path = ['tile', params['level'] ?? 'entries', ...PARTS.flatMap((part) => params[part] ?? [])].join('/');
  const [tile, checkpoint] = [parseTilePath(path), await evidence.checkpoint()];
  if (tile === null || checkpoint === null || tile.width > tileWidth(tile, checkpoint.size)) throw nothingThere();
  return tile;
};

/** A tile as it is served. */
export const tileReply = (bytes: Buffer, caching: string): Reply => ({
  status: 200,
  headers: { 'Content-Type': TILE_TYPE, 'Cache-Control': caching },
  body: '',
  bytes,
});

/** What is not published, or not yet, does not exist. */
export const nothingThere = (): OAuthError => new OAuthError('not_found', 'the published evidence log does not have that');
