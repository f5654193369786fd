import { z } from 'zod';

export const text = z.string().min(1);
export const optional = text.nullable().default(null);
// A secret that was pasted where its file belongs must not get as far as `config show`.
export const file = z.string().regex(/^[^\r\n]+$/, 'expected the path of a file');
export const optionalFile = file.nullable().default(null);
export const count = z.int().positive();
export const seconds = z.int().positive();
export const port = z.int().min(1).max(65535);
