import type { Rows } from '../domain/ports/rows.ts';
import { isMonthly, monthOf, type Retention } from '../domain/psu/retention.ts';

/** How many days each kind of data is kept. */
export type RetentionDays = Readonly<Record<`${Retention}Days`, number>>;

/** A key whose time is over; what older versions have sealed with the only key of a PSU is of the retention `all`. */
export interface ExpiredKey {
  psuId: string;
  retention: Retention | 'all';
  period: string;
}

const PAGE = 500;
const DAY_SECONDS = 86_400;

// What is kept of a consent itself has the consent's name in the place of a psuId, which holds no space.
const OF_CONSENT = `psu_id like 'consent %'`;
const OF_PSU = `instr(psu_id, ' ') = 0`;
const CONSENT_OVER = `exists (
  select 1 from consent where consent_id = substr(sealing_key.psu_id, 9) and status in ('rejected', 'revoked', 'expired') and status_at <= ?2
)`;
const NO_CONSENT = `not exists (
  select 1 from consent where psu_id = sealing_key.psu_id and (status not in ('rejected', 'revoked', 'expired') or status_at > ?2)
) and not exists (
  select 1 from consent_authoriser join consent using (consent_id) where consent_authoriser.psu_id = sealing_key.psu_id
  and (status not in ('rejected', 'revoked', 'expired') or status_at > ?2)
)`;
const NO_DEVICE = `not exists (select 1 from device where psu_id = sealing_key.psu_id)
  and not exists (select 1 from device_data where psu_id = sealing_key.psu_id and last_at > ?1)`;

// By the retention of the key.
const NOTHING_LIVES = {
  device: NO_DEVICE,
  consent: `iif(${OF_CONSENT}, ${CONSENT_OVER}, ${OF_PSU} and ${NO_CONSENT})`,
  all: `iif(${OF_CONSENT}, ${CONSENT_OVER}, ${OF_PSU} and ${NO_CONSENT} and ${NO_DEVICE})`,
};

const daysBefore = (at: number, days: number): number => at - days * DAY_SECONDS;
const momentsBefore = (at: number, days: RetentionDays) => [daysBefore(at, days.deviceDays), daysBefore(at, days.consentDays)] as const;

/** The keys whose time is over at a moment, a page at a time: those of nobody who is erased, for whom they are gone. */
export function* expiredKeys(rows: Rows, at: number, days: RetentionDays): Generator<readonly ExpiredKey[]> {
  // A month is over when the next one has begun.
  for (const retention of ['request', 'delivery'] as const)
    yield* keysOf(rows, { from: `${retention}.`, to: `${retention}.${monthOf(daysBefore(at, days[`${retention}Days`]))}` });
  const moments = momentsBefore(at, days);
  for (const retention of ['device', 'consent', 'all'] as const)
    yield* keysOf(rows, { ...startingWith(retention), where: NOTHING_LIVES[retention], moments });
}

/** Whether nothing lives that a key belongs to, also one that is said to have expired: a month is over once and for all. */
export const isStillOver = (rows: Rows, key: { psuId: string; name: string }, at: number, days: RetentionDays): boolean => {
  const { retention } = keyIn(key);
  if (isMonthly(retention)) return true;
  return (
    rows.get(
      `with sealing_key (psu_id, name) as (values (?3, ?4)) select 1 from sealing_key where ${NOTHING_LIVES[retention]}`,
      ...momentsBefore(at, days),
      ...[key.psuId, key.name],
    ) !== undefined
  );
};

// The character behind the dot.
const startingWith = (retention: string) => ({ from: `${retention}.`, to: `${retention}/` });

interface Wanted {
  from: string;
  to: string;
  where?: string;
  moments?: readonly [devicesBefore: number, consentsBefore: number];
}

function* keysOf(rows: Rows, { from, to, where = 'true', moments = [0, 0] }: Wanted): Generator<readonly ExpiredKey[]> {
  let last = { psuId: '', name: from };
  for (;;) {
    const page = rows.all<typeof last & { isOver: 0 | 1 }>(
      `select psu_id as psuId, name, coalesce(${where}, 0) as isOver from sealing_key
       where (name, psu_id) > (?3, ?4) and name < ?5 order by name, psu_id limit ${PAGE}`,
      ...moments,
      ...[last.name, last.psuId, to],
    );
    yield page.filter(({ isOver }) => isOver === 1).map(keyIn);
    const end = page.at(-1);
    if (end === undefined) return;
    last = end;
  }
}

const keyIn = ({ psuId, name }: { psuId: string; name: string }): ExpiredKey => {
  const [retention, period] = name.split('.') as [ExpiredKey['retention'], string];
  return { psuId, retention, period };
};

/** The keys of these names that something of a subject is sealed with. */
export const keysInUse = (rows: Rows, psuId: string, names: readonly string[]): readonly ExpiredKey[] =>
  rows
    .all<{ psuId: string; name: string }>(
      'select psu_id as psuId, name from sealing_key where psu_id = ? and name in (select value from json_each(?))',
      psuId,
      JSON.stringify(names),
    )
    .map(keyIn);

/** The keys that have expired since a moment, those of a month since one of their own, a page at a time: a process that died may have left them. */
export function* latelyExpired(
  rows: Rows,
  { since, monthsSince }: { since: number; monthsSince: number },
): Generator<readonly { psuId: string; name: string }[]> {
  let last = { psuId: '', name: '', at: since };
  for (;;) {
    const page = rows.all<typeof last>(
      `select psu_id as psuId, name, at from lately_expired where (at, psu_id, name) > (?, ?, ?) order by at, psu_id, name limit ${PAGE}`,
      ...[last.at, last.psuId, last.name],
    );
    const end = page.at(-1);
    if (end === undefined) return;
    yield page.filter((key) => key.at >= monthsSince || !isMonthly(keyIn(key).retention));
    last = end;
  }
}
