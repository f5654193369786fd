import * as z from 'zod';

/**
 * The pseudonym of a PSU, which stands in the log and in tokens (OpenID Connect Core 1.0, section 2). Without a space: what an aggregate has
 * keys of its own by (`consent <id>`) is the id of nobody.
 */
export const psuId = z.string().regex(/^[\x21-\x7e]{1,255}$/);
