import { readFile } from 'node:fs/promises';

/** The secret that a file holds, without the line end behind it. Throws where there is none. */
export const secretIn = async (file: string): Promise<string> => {
  const secret = (await readFile(file, 'utf8')).trim();
  if (secret === '') throw new Error(`${file} holds no secret`);
  return secret;
};
