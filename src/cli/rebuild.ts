import { lastValueFrom } from 'rxjs';
import { nextRowsOf } from '../adapters/rows/next.ts';
import { sqliteRows } from '../adapters/rows/sqlite.ts';
import { lockFile, removeDatabase } from '../adapters/sqlite-file.ts';
import type { Config } from '../config.ts';
import { projectionsOver } from '../projections/all.ts';
import { tellCatchUp } from '../projections/catch-up.ts';
import { type Projections, runProjections } from '../projections/runner.ts';
import { nothingOpened } from '../serve/opened.ts';
import { openLogWithKeys, readModelsOf } from '../serve/store.ts';
import { type Output, sayTo, showCatchUp } from './output.ts';

/** Builds all read models of this node again from the log, while no engine runs on the data directory. */
export const rebuild = async (config: Config, output: Output): Promise<void> => {
  const opened = nothingOpened();
  try {
    const file = readModelsOf(config);
    // A log in a file has a lock of its own.
    if (config.store.kind === 'kurrentdb') opened.keep(lockFile(file));
    const { store, sealer } = await openLogWithKeys(config, opened);
    for (const stale of [file, nextRowsOf(file)]) removeDatabase(stale);
    const rows = opened.keep(sqliteRows(file));
    const head = await store.head();
    const began = performance.now();
    const running = runProjections(store, rows, projectionsOver(sealer), head);
    tellCatchUp(running, head, showCatchUp(output));
    await allCommitted(running);
    const seconds = (performance.now() - began) / 1000;
    const done = { events: head, seconds: Number(seconds.toFixed(1)) };
    sayTo(output)(`the read models hold all up to ${head}, after ${done.seconds} s`, { rebuilt: done });
  } finally {
    await opened.closeAll();
  }
};

/** Stops projections that have caught up. Rejects when not all that they have applied could be committed. */
export const allCommitted = async (running: Projections): Promise<void> => {
  await running.caughtUp;
  running.stop();
  await lastValueFrom(running.applied, { defaultValue: null });
};
