const REMEDY =
  'Put back the log that belongs to the checkpoint. If it is lost for good, tell those who hold the checkpoint, and set evidence.origin to a name that was never used: then a new evidence log begins';

/** The log is not the one that the newest published checkpoint is about: facts are missing, or are others. Or nobody can tell, for that is gone. */
export class EvidenceDiffers extends Error {
  constructor(what: string, { remedy = REMEDY, ...options }: ErrorOptions & { remedy?: string } = {}) {
    super(`${what}. ${remedy}`, options);
    this.name = 'EvidenceDiffers';
  }
}
