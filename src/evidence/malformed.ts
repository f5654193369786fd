/** A text that does not have the form that its format asks for. */
export class Malformed extends Error {
  override name = 'Malformed';
}
