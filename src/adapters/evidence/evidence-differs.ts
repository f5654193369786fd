const REMEDY =
  'Put back the log that belongs to the checkpoint. If it is lost for good, tell those who hold the checkpoint, and set evidence.origin to a name that was never used: then a new evidence log begins';

/** The log is not the one that the newest published checkpoint is about: facts are missing, or are others. */
export class EvidenceDiffers extends Error {
  constructor(what: string, options?: ErrorOptions) {
    super(`${what}. ${REMEDY}`, options);
    this.name = 'EvidenceDiffers';
  }
}
