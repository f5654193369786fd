import type { EventStore } from '../../domain/ports/event-store.ts';
import { leafOf } from '../../evidence/leaf.ts';
import type { EvidenceLog } from '../../evidence/log.ts';
import { entryBundle, TILE_WIDTH } from '../../evidence/tiles.ts';
import { type AuditorDeps, makeReading } from '../audit/auditor.ts';
import type { Route } from '../route.ts';
import { nothingThere, TILE_TYPE, tileOf, tilePaths, tileReply } from './tiles.ts';

export interface EntriesDeps extends AuditorDeps {
  store: EventStore;
  evidence: EvidenceLog;
}

/** The leaves themselves, for auditors: they name streams, and who acted. */
export const entryRoutes = (deps: EntriesDeps): Route[] => {
  const { store, evidence } = deps;
  const reading = makeReading(deps);
  return tilePaths('entries').map((path) => {
    const route = reading({
      path,
      summary: 'A bundle of leaves of the evidence log',
      query: {},
      answers: { 200: TILE_TYPE },
      errors: ['not_found'],
      async answer({ params }) {
        const { index, width } = await tileOf(evidence, params);
        const before = index === 0 ? 0 : await evidence.positionOf(index * TILE_WIDTH - 1);
        if (before === null) throw nothingThere();
        return tileReply(entryBundle((await store.readAll(before, width)).map(leafOf)), 'no-store');
      },
    });
    // Beside the tiles of hashes, where readers of such logs look for it.
    return { ...route, path };
  });
};
