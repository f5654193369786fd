import { hash } from 'node:crypto';

/** SHA-256. By way of a text of bytes: node:crypto takes twice as long to make the Buffer itself. */
export const sha256 = (input: string | Buffer): Buffer => Buffer.from(hash('sha256', input, 'binary'), 'binary');
