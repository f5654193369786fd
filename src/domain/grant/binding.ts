/** What a caller has proved to hold, and what tokens are bound to: both are null for bearer tokens. */
export interface Binding {
  /** `x5t#S256` of the certificate of the connection (RFC 8705, section 3.1). */
  certificateThumbprint: string | null;
  /** The JWK thumbprint of the key that made a DPoP proof (RFC 9449, section 6.1). */
  dpopKeyThumbprint: string | null;
}

/** Whether a caller holds all that something is bound to; it may hold more. What is not said was not proved. */
export const holds = (given: Partial<Binding>, bound: Binding): boolean =>
  (bound.certificateThumbprint === null || bound.certificateThumbprint === given.certificateThumbprint) &&
  (bound.dpopKeyThumbprint === null || bound.dpopKeyThumbprint === given.dpopKeyThumbprint);

/** `token_type` of tokens with this binding (RFC 9449, section 5). */
export const tokenType = ({ dpopKeyThumbprint }: Binding): 'DPoP' | 'Bearer' => (dpopKeyThumbprint === null ? 'Bearer' : 'DPoP');

/** The claim that says what a token is bound to (RFC 7800; RFC 8705, section 3.1; RFC 9449, section 6.1); nothing for a bearer token. */
export const confirmation = ({ certificateThumbprint, dpopKeyThumbprint }: Binding): { cnf?: Record<string, string> } => {
  if (certificateThumbprint === null && dpopKeyThumbprint === null) return {};
  return {
    cnf: {
      ...(certificateThumbprint !== null && { 'x5t#S256': certificateThumbprint }),
      ...(dpopKeyThumbprint !== null && { jkt: dpopKeyThumbprint }),
    },
  };
};
