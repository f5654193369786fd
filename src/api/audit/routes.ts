import type { SealingKeys } from '../../domain/ports/sealer.ts';
import type { EvidenceLog } from '../../evidence/log.ts';
import type { Route } from '../route.ts';
import { type AuditorDeps, makeReading } from './auditor.ts';
import { makeBundles } from './bundles.ts';
import { evidenceRoutes } from './evidence.ts';
import { exportRoute } from './export.ts';
import { historyRoutes } from './history.ts';
import { stateRoutes } from './states.ts';

/** What auditors read. */
export const auditRoutes = ({
  evidence = null,
  ...deps
}: AuditorDeps & { sealer: SealingKeys; evidence?: EvidenceLog | null }): Route[] => {
  const bundles = evidence && makeBundles({ ...deps, evidence });
  const within = { ...deps, reading: makeReading(deps), bundles };
  return [
    ...historyRoutes(within),
    ...stateRoutes(within),
    exportRoute(within),
    ...(evidence === null || bundles === null ? [] : evidenceRoutes({ ...within, evidence, bundles })),
  ];
};
