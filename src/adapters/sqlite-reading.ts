import type { DatabaseSync } from 'node:sqlite';

/**
 * Begins to read, for as long as the event loop is at this one callback. A lone select takes and frees the locks of the file, which costs
 * more than the select; all that one callback reads shares them, and shows one state. That state is no older than what woke the callback:
 * whatever was committed before a request, an answer or a message came in is seen by what it leads to.
 */
export const sharedReads = (db: DatabaseSync): (() => void) => {
  const [begin, commit] = [db.prepare('begin'), db.prepare('commit')];
  let reading = false;
  const end = () => {
    reading = false;
    if (db.isOpen) commit.run();
  };
  return () => {
    if (reading) return;
    begin.run();
    reading = true;
    process.nextTick(end);
  };
};
