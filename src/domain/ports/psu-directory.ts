/** An account that a PSU may give a TPP access to. */
export interface Account {
  accountId: string;
  displayName: string;
}

/** The ASPSP's own knowledge of its customers. `psuId` is a pseudonym: it stands in the log and as `sub` in tokens. */
export interface PsuDirectory {
  /** The PSU whom a `login_hint` names, or null. */
  findByHint(loginHint: string): Promise<string | null>;
  /** Whether the PSU (still) exists: asked for the `sub` of an `id_token_hint`. */
  exists(psuId: string): Promise<boolean>;
  /** The PSU with this user name and password, or null. Takes as long for an unknown user as for a wrong password. */
  authenticate(username: string, password: string): Promise<string | null>;
  /** The accounts that the PSU can choose from, in the order they are shown. */
  accounts(psuId: string): Promise<readonly Account[]>;
}
