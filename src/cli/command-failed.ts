/** A command that could not do what it was asked, in words for the person who typed it. */
export class CommandFailed extends Error {
  override name = 'CommandFailed';
}
