import { readdirSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Described } from './registry.ts';

const RESOLUTION_MS = 10;
const NS = 1e9;
const QUANTILES = [50, 90, 99, 100];
// However often and by however many it is asked, nothing is missed by who asks once in this time.
const WINDOW_MS = 60_000;

/** The process: its event loop, processor, memory and files. The names are those that Prometheus recommends. */
export const processMetrics = (): { metrics: Described[]; close(): void } => {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const one = (name: string, help: string, value: () => number, type: Described['type'] = 'gauge'): Described => ({
    ...{ name, help, type },
    samples: () => [{ value: value() }],
  });
  // A timer that comes late is late by what is above its period.
  const late = (ns: number) => (Number.isFinite(ns) ? Math.max(0, ns / NS - RESOLUTION_MS / 1000) : 0);
  const delays = () => QUANTILES.map((percent) => late(delay.percentile(percent)));
  let before = QUANTILES.map(() => 0);
  const timer = setInterval(() => {
    before = delays();
    delay.reset();
  }, WINDOW_MS).unref();
  return {
    close() {
      clearInterval(timer);
      delay.disable();
    },
    metrics: [
      {
        name: 'countersign_event_loop_delay_seconds',
        help: 'How late the event loop was, by quantile: in this minute or in the last one, whichever was worse.',
        type: 'gauge',
        aggregator: 'max',
        samples: () =>
          delays().map((seconds, at) => ({
            labels: { quantile: String((QUANTILES[at] as number) / 100) },
            value: Math.max(seconds, before[at] as number),
          })),
      },
      one('process_cpu_user_seconds_total', 'Time of the processor in user code.', () => process.cpuUsage().user / 1e6, 'counter'),
      one('process_cpu_system_seconds_total', 'Time of the processor in the system.', () => process.cpuUsage().system / 1e6, 'counter'),
      one('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss()),
      {
        ...one('process_start_time_seconds', 'When the process began, in seconds since 1970.', () =>
          Math.round(Date.now() / 1000 - process.uptime()),
        ),
        aggregator: 'max',
      },
      one('process_open_fds', 'Open file descriptors; 0 where the system does not say.', openFiles),
      one('nodejs_heap_size_used_bytes', 'Memory of the JavaScript heap in use.', () => process.memoryUsage().heapUsed),
    ],
  };
};

const openFiles = (): number => {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
};
