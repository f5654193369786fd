import * as z from 'zod';
import { OAuthError } from '../../../domain/oauth-error.ts';
import type { Route } from '../../route.ts';
import { PATHS } from '../../surface.ts';
import type { Bearer } from '../bearer.ts';
import { INTENT_TYPES } from './intent-types.ts';
import type { Intents } from './intents.ts';
import { serveIntents } from './serve-intents.ts';

const headers = z.object({
  'x-fapi-interaction-id': z.string().optional().describe('a token, of 128 characters at most: comes back with the answer'),
});

/** Lodging, reading and deleting consents of every type, and the files of those that have one (Open Banking Read/Write API 3.1). */
export const intentRoutes = ({ bearer, intents, issuer }: { bearer: Bearer; intents: Intents; issuer: string }): Route[] =>
  INTENT_TYPES.flatMap((type) => {
    const path = `${PATHS.intents}/${type.api}/${type.name}`;
    return serveIntents({
      ...{ type, intents, path, filePath: `${path}/{consent_id}/file` },
      ...{ security: 'bearer', headers, whose: 'the caller' },
      async owner(call) {
        const { clientId, psuId } = await bearer(call, type.scope);
        if (psuId !== null) throw new OAuthError('insufficient_scope', 'consents are managed with a client_credentials token');
        return { type, clientId, actor: { kind: 'client', id: clientId }, self: issuer + path };
      },
    });
  });
