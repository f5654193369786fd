/** The name of a user without the tenant that the reference writes behind it: `alice@carbon.super`. What else stands behind an `@` stays. */
export type UserOf = (name: string) => string;

/** Drops the one tenant that there is. */
export const makeUserOf = (tenantDomain: string): UserOf => {
  const behind = `@${tenantDomain}`;
  return (name) => (name.endsWith(behind) ? name.slice(0, -behind.length) : name);
};
