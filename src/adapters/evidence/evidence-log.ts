import { setTimeout as passed } from 'node:timers/promises';
import type { EvidenceLog, Published } from '../../evidence/log.ts';
import type { VerifierKey } from '../../evidence/note-key.ts';
import { proofText } from '../../evidence/proof.ts';
import { inclusionProof } from '../../evidence/tree.ts';
import { CONTRADICTION, recordOf, type Standing, standingIn } from './checkpoints.ts';
import type { Keeper } from './keeper.ts';
import { readTiles } from './tiles.ts';

const LOOK_MS = 25;

/**
 * The evidence log as its file has it: of the process that keeps it, which knows what waits for a checkpoint, and of those that work for that
 * one. It is made with the file there.
 */
export const evidenceLog = (file: string, key: VerifierKey, keeper?: Pick<Keeper, 'uncoveredSince'>): EvidenceLog & { close(): void } => {
  const tiles = readTiles(file);
  const name = recordOf(key.name);
  let last: { text: string; standing: Standing } | null = null;

  const standing = (): Standing | null => {
    const text = tiles.record(name);
    if (text === null) return null;
    if (last?.text !== text) last = { text, standing: standingIn(text, key) };
    return last.standing;
  };

  /** The best checkpoint that covers a fact: the cosigned one if that does. */
  const covering = (index: number): Published | null => {
    const { newest = null, cosigned = null } = standing() ?? {};
    return [cosigned, newest].find((one) => one !== null && one.size > index) ?? null;
  };

  const proofOf = (position: number): string | null => {
    const index = tiles.indexOf(position);
    const checkpoint = index === null ? null : covering(index);
    if (index === null || checkpoint === null) return null;
    return proofText({ index, proof: inclusionProof(index, checkpoint.size, tiles.hashAt), checkpoint: checkpoint.note });
  };

  return {
    origin: key.name,
    verifierKey: key.text,
    checkpoint: async () => standing()?.newest ?? null,
    cosigned: async () => standing()?.cosigned ?? null,
    indexOf: async (position) => tiles.indexOf(position),
    positionOf: async (index) => tiles.positionOf(index),
    hashAt: tiles.hashAt,
    tile: tiles.tile,
    async receipt(position, waitMs = 0) {
      const until = performance.now() + waitMs;
      for (;;) {
        const proof = proofOf(position);
        if (proof !== null || performance.now() >= until) return proof;
        await passed(LOOK_MS);
      }
    },
    state() {
      const { newest = null, unwitnessedSince = null, witnesses = {} } = standing() ?? {};
      const published = newest && { size: newest.size, at: newest.at };
      const contradiction = JSON.parse(tiles.record(CONTRADICTION) ?? 'null');
      return {
        ...{ fault: tiles.fault(), size: tiles.size(), published, uncoveredSince: keeper?.uncoveredSince() ?? null },
        ...{ unwitnessedSince, witnesses, contradiction },
      };
    },
    close: tiles.close,
  };
};
