/** An account that a PSU may give a TPP access to. */
export interface Account {
  accountId: string;
  displayName: string;
}

/** What a PSU is called. */
export interface PsuName {
  username: string;
  givenName: string | null;
  familyName: string | null;
}

/** The ASPSP's own knowledge of its customers. `psuId` is a pseudonym: it stands in the log and as `sub` in tokens. */
export interface PsuDirectory {
  /** The PSU whom a `login_hint` names, or null. */
  findByHint(loginHint: string): Promise<string | null>;
  /** Whether the PSU (still) exists: asked for the `sub` of an `id_token_hint`. */
  exists(psuId: string): Promise<boolean>;
  /** What the PSU is called, for pushes that say it; null for one that there is not. */
  nameOf(psuId: string): Promise<PsuName | null>;
  /** The PSU with this user name and password, or null. Takes as long for an unknown user as for a wrong password. */
  authenticate(username: string, password: string): Promise<string | null>;
  /** Whether the PSU has a user code, which TPPs that are registered for it must send along (CIBA Core 1.0, section 7.1). */
  hasUserCode(psuId: string): Promise<boolean>;
  /** Whether this is the PSU's user code. Takes as long for a PSU who has none. */
  userCodeFits(psuId: string, userCode: string): Promise<boolean>;
  /** The accounts that the PSU can choose from, in the order they are shown. */
  accounts(psuId: string): Promise<readonly Account[]>;
}
