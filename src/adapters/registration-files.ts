import { readFile } from 'node:fs/promises';
import { type ClientMetadata, clientMetadata } from '../domain/client/metadata.ts';

/** What the files of the registration settings hold. Throws for a token that is empty and for keys that are no public JWK set. */
export const registrationFiles = async ({
  initialAccessTokenFile,
  sandboxJwksFile,
}: {
  initialAccessTokenFile: string | null;
  sandboxJwksFile: string | null;
}): Promise<{ initialAccessToken: string | null; sandboxJwks: ClientMetadata['jwks'] }> => {
  const initialAccessToken = initialAccessTokenFile === null ? null : (await readFile(initialAccessTokenFile, 'utf8')).trim();
  if (initialAccessToken === '') throw new Error(`${initialAccessTokenFile} holds no token`);
  const keys = sandboxJwksFile === null ? null : JSON.parse(await readFile(sandboxJwksFile, 'utf8'));
  return { initialAccessToken, sandboxJwks: clientMetadata.shape.jwks.parse(keys) };
};
