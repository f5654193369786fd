/** The name of a class of the reference's own, without its package; null for a class of somebody else, its samples included. */
export const referenceClass = (name: unknown): string | null =>
  typeof name === 'string' && /^(com|org)\.wso2\./.test(name) && !name.includes('.sample.') ? (name.split('.').at(-1) ?? null) : null;
