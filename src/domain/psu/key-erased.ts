import { OAuthError } from '../oauth-error.ts';

/** The key was destroyed: nothing can be sealed with it any more. For whoever calls, the PSU does not exist. */
export class KeyErased extends OAuthError {
  constructor() {
    super('not_found', 'the PSU is unknown');
    this.name = 'KeyErased';
  }
}
