import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

const ROOT = join(import.meta.dirname, '../..');

/** The text of a file of the repository. */
export const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/** A file that stands in a container, by the name of its config or secret. */
export interface Mounted {
  source: string;
  target?: string;
}

/** A volume of the long form. */
export interface VolumeMount {
  source: string;
  target: string;
  volume?: { subpath?: string };
}

export interface Service {
  image: string;
  build?: { args: Record<string, string> };
  entrypoint?: string[];
  environment?: Record<string, string>;
  user?: string;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  network_mode?: string;
  networks?: string[] | Record<string, { ipv4_address: string }>;
  ports?: string[];
  configs?: Mounted[];
  secrets?: string[];
  volumes: VolumeMount[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test: string[] };
  restart: string;
  stop_grace_period: string;
}

export interface Compose {
  services: Record<string, Service>;
  networks?: Record<string, { internal?: boolean; ipam?: { config: { subnet: string }[] } }>;
  volumes: Record<string, null>;
  configs: Record<string, { file: string }>;
  secrets: Record<string, { file: string }>;
}

/** Both files that the README names. */
export const COMPOSE_FILES = ['docker-compose.yml', 'docker-compose.single.yml'] as const;

/** A compose file, its volumes in the long form. */
export const composeFile = (file: string): Compose => {
  const compose = parse(textOf(file), { merge: true });
  for (const service of Object.values<{ volumes: (string | VolumeMount)[] }>(compose.services)) service.volumes = service.volumes.map(long);
  return compose;
};

const long = (volume: string | VolumeMount): VolumeMount => {
  if (typeof volume !== 'string') return volume;
  const [source = '', target = ''] = volume.split(':');
  return { source, target };
};

/** The instructions of the Dockerfile in order, a line that goes on put together. */
export const dockerfile = (): { instruction: string; rest: string }[] =>
  textOf('Dockerfile')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, instruction = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
      return { instruction, rest };
    });
