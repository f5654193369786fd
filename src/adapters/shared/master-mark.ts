import { createHmac } from 'node:crypto';
import type { SharedRecords } from './records.ts';

const NAME = 'master-key';

/** Whether this is the master key of all nodes: the first one leaves its mark, which tells nothing of it. What another seals they cannot open. */
export const isMasterOf = async (records: SharedRecords, master: Buffer): Promise<boolean> => {
  const mark = createHmac('sha256', master).update('countersign/master-key').digest('base64url');
  return (await records.write(NAME, mark, -1)) || (await records.read(NAME))?.text === mark;
};
