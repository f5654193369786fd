/** What a Retry-After header asks for in seconds (RFC 9110, section 10.2.3), or null when it is absent or unreadable. */
export const retryAfterSeconds = (header: string | undefined): number | null => {
  if (header === undefined) return null;
  if (/^\d+$/.test(header)) return Number(header);
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, Math.ceil((date - Date.now()) / 1000));
};
