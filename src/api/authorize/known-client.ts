import { profileOf } from '../../domain/client/metadata.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import { findClient } from '../../projections/client-lookup.ts';
import type { ReadModels } from '../read-models.ts';
import type { NamedClient } from './request-object.ts';

/** The client that a request names, if there is one that may be given anything. */
export const knownClient = async (readModels: ReadModels, clientId: string): Promise<NamedClient> => {
  const row = clientId === '' ? undefined : await readModels.find((rows) => findClient(rows, clientId));
  if (row === undefined || row.status !== 'active') throw new OAuthError('invalid_client', 'client_id names no client');
  return { clientId, metadata: row.metadata, profile: profileOf(row.metadata) };
};
