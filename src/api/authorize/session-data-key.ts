/**
 * What a consent page of the ASPSP's own names a signed-in browser by. It holds the browser's secret for the request, so that nobody can
 * make it who only knows the request.
 */
export const sessionDataKeyOf = (requestId: string, secret: string): string => `${requestId}.${secret}`;

/** The request and the secret that a key is of. */
export const sessionOf = (sessionDataKey: string): { requestId: string; secret: string } => {
  const dot = sessionDataKey.lastIndexOf('.');
  return { requestId: sessionDataKey.slice(0, Math.max(0, dot)), secret: sessionDataKey.slice(dot + 1) };
};
