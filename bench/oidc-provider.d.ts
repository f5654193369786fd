// oidc-provider brings no types. These are the parts that the bench touches.
declare module 'oidc-provider' {
  import type { RequestListener } from 'node:http';

  export default class Provider {
    constructor(issuer: string, configuration: object);
    callback(): RequestListener;
    Grant: new (of: {
      clientId: string;
      accountId: string;
    }) => {
      addOIDCScope(scope: string): void;
      addResourceScope(resource: string, scope: string): void;
      save(): Promise<string>;
    };
    BackchannelAuthenticationRequest: { find(id: string): Promise<{ clientId: string; accountId: string } | undefined> };
    backchannelResult(request: object, grantId: string, options: { acr?: string; amr?: string[]; authTime?: number }): Promise<void>;
  }
}

declare module 'oidc-provider/lib/adapters/memory_adapter.js' {
  export default class MemoryAdapter {
    constructor(model: string, store: object);
  }
}
