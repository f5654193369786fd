/** What a server is filled with before its row: consents that their PSU has authorised, or devices, one of each user, who has a token. */
export interface Filling {
  of: 'consents' | 'devices';
  count: number;
}

const AT_ONCE = 500;

/** Does this for every number below `count`, many at once. */
export const fillWith = async (count: number, one: (n: number) => Promise<unknown>): Promise<void> => {
  for (let from = 0; from < count; from += AT_ONCE)
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, index) => one(from + index)));
};

export const consentIdOf = (n: number): string => `consent-${n}`;
export const userOf = (n: number): string => `user-${n}`;
/** The access token of a user, for what is their own. */
export const tokenOf = (user: string): string => `token-of-${user}`;
/** The account that a user gave in a consent. */
export const accountOf = (user: string): string => `${user}-account`;
/** The client that lodged all consents. */
export const LODGED_BY = 'tpp-secret';
/** Their consents are spread over so many users. */
export const CONSENTING_USERS = 5000;
