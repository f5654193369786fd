import { z } from 'zod';

/** A text that is not empty. */
export const text = z.string().min(1);
/** A text, or nothing. */
export const optional = text.nullable().default(null);
/** The path of a file. A secret that was pasted where its file belongs must not get as far as `config show`. */
export const file = z.string().regex(/^[^\r\n]+$/, 'expected the path of a file');
/** The path of a file, or nothing. */
export const optionalFile = file.nullable().default(null);
/** How many, one at least. */
export const count = z.int().positive();
/** How long, in seconds, one at least. */
export const seconds = z.int().positive();
/** A TCP port. */
export const port = z.int().min(1).max(65535);
