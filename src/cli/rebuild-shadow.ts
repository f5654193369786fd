import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { map, takeWhile } from 'rxjs';
import { type Comparison, compareRows, type RowDifference, standingOf } from '../adapters/rows/compare.ts';
import { nextRowsOf, withNextRows } from '../adapters/rows/next.ts';
import { sqliteRows } from '../adapters/rows/sqlite.ts';
import { LogInUse, lockFile, removeDatabase } from '../adapters/sqlite-file.ts';
import type { Config } from '../config.ts';
import type { EventStore, Page } from '../domain/ports/event-store.ts';
import { projectionsOver } from '../projections/all.ts';
import { tellCatchUp } from '../projections/catch-up.ts';
import type { Projection } from '../projections/projection.ts';
import { runProjections } from '../projections/runner.ts';
import { nothingOpened } from '../serve/opened.ts';
import { openToReadWithKeys, readModelsOf } from '../serve/store.ts';
import { CommandFailed } from './command-failed.ts';
import { type Output, type Say, sayTo, showCatchUp } from './output.ts';
import { allCommitted } from './rebuild.ts';

// So many rows of a table are named.
const MOST_NAMED = 20;

/**
 * Builds all read models of this node in a file beside those in use, also while an engine runs, and compares both row by row where both stand at
 * the same position. `switchOver`: what was built takes the place of the others, now or, while an engine runs, at its next start. Fails
 * when rows differ, also when it has switched.
 */
export const rebuildShadow = async (config: Config, { switchOver }: { switchOver: boolean }, output: Output): Promise<void> => {
  const opened = nothingOpened();
  const inUse = readModelsOf(config);
  const file = `${inUse}.shadow`;
  const say = sayTo(output);
  if (config.store.kind === 'sqlite' && !existsSync(join(config.dataDir, 'log.sqlite')))
    throw new CommandFailed(`there is no log in ${config.dataDir}`);
  try {
    const { store, sealer } = await openToReadWithKeys(config, opened);
    opened.keep(lockFile(file));
    opened.atEnd(() => removeDatabase(file));
    removeDatabase(file);
    const projections = projectionsOver(sealer);
    const began = performance.now();
    const building = { store, file, projections, output };
    const isUsed = existsSync(inUse);
    const from = isUsed ? comparable(standingOf(inUse), projections).position : null;
    await buildUpTo(from ?? (await store.head()), building);
    const differing = isUsed ? await compareWith(inUse, building, say) : 0;
    const { position } = comparable(standingOf(file), projections);
    const switched = switchOver ? takeIntoUse(config, { inUse, file }) : null;
    const seconds = Number(((performance.now() - began) / 1000).toFixed(1));
    const use = switched === null ? '' : `; they are used from ${switched === 'now' ? 'now' : 'the next start'} on`;
    say(`read models built up to ${position} in ${seconds} s, rows of those in use that differ: ${differing}${use}`, {
      shadow: { position, seconds, differing, switched },
    });
    if (differing > 0) throw new CommandFailed(`the read models in use are not what the log gives; rows that differ: ${differing}`);
  } finally {
    await opened.closeAll();
  }
};

interface Building {
  store: EventStore;
  file: string;
  projections: readonly Projection[];
  output: Output;
}

/** Goes on where the file stands. */
const buildUpTo = async (end: number, { store, file, projections, output }: Building): Promise<void> => {
  const rows = sqliteRows(file);
  try {
    const running = runProjections(endingAt(store, end), rows, projections, end);
    tellCatchUp(running, end, showCatchUp(output));
    await allCommitted(running);
  } finally {
    rows.close();
  }
};

/** A log as it was when it ended at a position. */
const endingAt = (store: EventStore, end: number): EventStore => ({
  ...store,
  follow: (afterPosition) =>
    store.follow(afterPosition).pipe(
      map((page): Page => {
        const events = page.events.filter(({ position }) => position <= end);
        return { events, position: Math.min(page.position, end), caughtUp: page.caughtUp || page.position >= end };
      }),
      takeWhile(({ caughtUp }) => !caughtUp, true),
    ),
});

/** Compares those in use with what was built, and tells how many rows differ. An engine may have gone on: what was built follows it first. */
const compareWith = async (inUse: string, building: Building, say: Say): Promise<number> => {
  const compared = compareRows(inUse, building.file);
  try {
    const { same, position } = comparable(compared.standing, building.projections);
    if (position !== null) await buildUpTo(position, building);
    for (const { name } of building.projections.filter((one) => !same.includes(one)))
      say(`${name}: not compared, for the one in use is of another version, or not as far as the others`, { not_compared: name });
    let differing = 0;
    for (const { tables } of same) for (const table of Object.keys(tables)) differing += nameDifferences(compared.differences(table), say);
    return differing;
  } finally {
    compared.close();
  }
};

/** The projections that stand there as this program has them, and where they stand: null where there are none. */
const comparable = (standing: Comparison['standing'], projections: readonly Projection[]) => {
  const known = projections.filter(({ name, version }) => standing.get(name)?.version === version);
  const positionOf = ({ name }: Projection) => standing.get(name)?.position ?? 0;
  const position = known.length === 0 ? null : Math.max(...known.map(positionOf));
  return { same: known.filter((one) => positionOf(one) === position), position };
};

/** Names the rows that differ, and tells how many they are. */
const nameDifferences = (differences: Iterable<RowDifference>, say: Say): number => {
  let count = 0;
  for (const difference of differences) {
    count += 1;
    const { table, key, found } = difference;
    if (count <= MOST_NAMED) say(`${table}: ${found} ${JSON.stringify(key)}`, { difference });
  }
  return count;
};

const takeIntoUse = (config: Config, { inUse, file }: { inUse: string; file: string }): 'now' | 'next start' => {
  // Who compared had it open: what it did last is brought from the log of the file into the file itself, which alone is moved.
  sqliteRows(file).close();
  renameSync(file, nextRowsOf(inUse));
  try {
    const lock = lockFile(config.store.kind === 'sqlite' ? join(config.dataDir, 'log.sqlite') : inUse);
    withNextRows(inUse);
    lock.close();
    return 'now';
  } catch (error) {
    if (!(error instanceof LogInUse)) throw error;
    return 'next start';
  }
};
