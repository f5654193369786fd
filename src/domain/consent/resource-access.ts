import { sameJson } from '../authorization-details/narrowing.ts';
import type { Consent, LodgedConsent } from './decider.ts';
import type { ConsentContent, Receipt } from './events.ts';

/** A call to a resource that a gateway asks about. */
export interface ResourceCall {
  consentId: string;
  clientId: string;
  psuId: string;
  /** Null where the gateway does not tell it. */
  method: string | null;
  /** The path below the base of the API, without its query. */
  path: string;
  /** Null for a call without a body. */
  body: Readonly<Record<string, unknown>> | null;
  at: number;
}

/** Why a call is not under a consent, in the reference's codes; 00012 and 00014 are ours. */
export interface AccessRefusal {
  errorCode: '00010' | '00011' | '00012' | '00013' | '00014';
  errorMessage: string;
  httpCode: 400 | 401;
}

const PERMISSION = refusal('00010', 'Permission mismatch. Consent does not contain necessary permissions');
const EXPIRED = refusal('00011', 'Consent is expired');
const NO_CONSENT = refusal('00012', 'Consent is not authorised for this client and user');
const PATH = refusal('00013', 'Path requested is invalid');
const OTHER_CONTENT: AccessRefusal = { errorCode: '00014', errorMessage: 'Request does not match the consent', httpCode: 400 };

function refusal(errorCode: AccessRefusal['errorCode'], errorMessage: string): AccessRefusal {
  return { errorCode, errorMessage, httpCode: 401 };
}

/** What is sealed of a consent, opened when it is asked for. */
export interface ConsentParts {
  /** The accounts that were chosen, by all who agreed. */
  accountIds(): readonly string[];
  receipt(): Receipt | null;
}

/** Whether a call is under a consent as its stream tells it: null where it is, or why it is not. */
export const accessRefusal = (state: Consent, call: ResourceCall, parts: ConsentParts): AccessRefusal | null => {
  if (state.status === 'absent' || state.clientId !== call.clientId) return NO_CONSENT;
  if (!state.authorisations.some(({ psuId }) => psuId === call.psuId)) return NO_CONSENT;
  if (state.status === 'expired' || (state.expiresAt !== null && call.at >= state.expiresAt)) return EXPIRED;
  if (state.status !== 'authorised') return NO_CONSENT;
  return contentRefusal(state, call, parts);
};

const contentRefusal = ({ content }: LodgedConsent, call: ResourceCall, parts: ConsentParts): AccessRefusal | null => {
  switch (content.kind) {
    case 'account-access':
      return accountsRefusal(content, call, parts);
    case 'payment':
      return paymentRefusal(PAYMENTS[content.paymentType], call, parts);
    case 'vrp':
      return paymentRefusal('domestic-vrp', call, parts, isAgreedVrp);
    case 'funds-confirmation':
      if (call.path !== '/funds-confirmations' || !isBy('POST', call)) return PATH;
      return namesOther(call) ? OTHER_CONTENT : null;
    // What a request without a consent reference asks for names no permissions.
    case 'scope':
      return PERMISSION;
  }
};

/** Whether a call names another consent than its own, in its body or in its path. What stands for an id in a template names none. */
const namesOther = ({ consentId, body }: ResourceCall, inPath: string = consentId): boolean =>
  (inPath !== consentId && !PLACEHOLDER.test(inPath)) || (dataOf(body)?.['ConsentId'] ?? consentId) !== consentId;

const isBy = (method: 'GET' | 'POST', call: ResourceCall): boolean => call.method === null || call.method === method;

/** The resources below an account, or of all accounts at once, and the permissions of which one is needed (Read/Write API 3.1). */
const ACCOUNT_RESOURCES: Readonly<Record<string, readonly string[]>> = {
  balances: ['ReadBalances'],
  transactions: ['ReadTransactionsBasic', 'ReadTransactionsDetail'],
  beneficiaries: ['ReadBeneficiariesBasic', 'ReadBeneficiariesDetail'],
  'direct-debits': ['ReadDirectDebits'],
  'standing-orders': ['ReadStandingOrdersBasic', 'ReadStandingOrdersDetail'],
  product: ['ReadProducts'],
  products: ['ReadProducts'],
  offers: ['ReadOffers'],
  parties: ['ReadParty'],
  'scheduled-payments': ['ReadScheduledPaymentsBasic', 'ReadScheduledPaymentsDetail'],
  statements: ['ReadStatementsBasic', 'ReadStatementsDetail'],
};
const ACCOUNTS = ['ReadAccountsBasic', 'ReadAccountsDetail'];
const ALL_ACCOUNTS = /^\/([a-z-]+)$/;
const ONE_ACCOUNT = /^\/accounts\/([^/]+)(?:\/([a-z-]+)(?:\/[^/]+(?:\/(file|transactions))?)?)?$/;
const PLACEHOLDER = /^\{.*\}$/;

const accountsRefusal = (
  { permissions }: Extract<ConsentContent, { kind: 'account-access' }>,
  call: ResourceCall,
  { accountIds }: ConsentParts,
): AccessRefusal | null => {
  const { path } = call;
  const needed = permissionsFor(path);
  if (needed === null || !isBy('GET', call)) return PATH;
  if (!needed.some((permission) => permissions.includes(permission))) return PERMISSION;
  const [, accountId] = ONE_ACCOUNT.exec(path) ?? [];
  // A gateway that names the resource by its template does not tell the account.
  if (accountId === undefined || PLACEHOLDER.test(accountId) || accountIds().includes(accountId)) return null;
  return PERMISSION;
};

/** The permissions of which one lets a path be read; null for a path that is none. */
const permissionsFor = (path: string): readonly string[] | null => {
  const [, whole] = ALL_ACCOUNTS.exec(path) ?? [];
  if (whole === 'accounts') return ACCOUNTS;
  if (whole === 'party') return ['ReadPartyPSU'];
  if (whole !== undefined) return whole === 'parties' || whole === 'product' ? null : permissionsOf(whole);
  const [matched, , resource, below] = ONE_ACCOUNT.exec(path) ?? [];
  if (matched === undefined) return null;
  if (resource === undefined) return ACCOUNTS;
  const depth = path.split('/').length;
  if (depth > 4 && resource !== 'statements') return null;
  if (below === 'transactions') return permissionsOf('transactions');
  return resource === 'party' ? ['ReadParty'] : permissionsOf(resource);
};

const permissionsOf = (resource: string): readonly string[] | null =>
  Object.hasOwn(ACCOUNT_RESOURCES, resource) ? (ACCOUNT_RESOURCES[resource] ?? null) : null;

const PAYMENTS = {
  domestic: 'domestic-payment',
  'domestic-scheduled': 'domestic-scheduled-payment',
  'domestic-standing-order': 'domestic-standing-order',
  international: 'international-payment',
  'international-scheduled': 'international-scheduled-payment',
  'international-standing-order': 'international-standing-order',
  file: 'file-payment',
} as const;

type Json = Readonly<Record<string, unknown>> | null;
/** Whether what is sent is what was agreed to, beside its initiation. */
type Agreed = (sent: Json, agreed: Json, at: number) => boolean;

/** The payment itself, its state, and whether there are funds for it: of this consent. One that is sent must be the one that was agreed to. */
const paymentRefusal = (name: string, call: ResourceCall, parts: ConsentParts, isAgreed: Agreed = () => true): AccessRefusal | null => {
  const { path, body, at } = call;
  const [, resource, id, detail] = /^\/([a-z-]+)(?:\/([^/]+)(?:\/([a-z-]+))?)?$/.exec(path) ?? [];
  const isPayment = resource === `${name}s` && (detail === undefined || detail === 'payment-details' || detail === 'report-file');
  const isFunds = resource === `${name}-consents` && detail === 'funds-confirmation';
  // Without an id the payment is sent, not looked at; whether there are funds is asked with the amount where it varies.
  const isSent = isPayment && id === undefined;
  const method = isSent || (isFunds && name === 'domestic-vrp') ? 'POST' : 'GET';
  if (!(isPayment || isFunds) || !isBy(method, call)) return PATH;
  if (namesOther(call, isFunds ? id : undefined)) return OTHER_CONTENT;
  return !isSent || isAgreedPayment(body, at, parts.receipt(), isAgreed) ? null : OTHER_CONTENT;
};

const isAgreedPayment = (body: Json, at: number, receipt: Receipt | null, isAgreed: Agreed): boolean => {
  const data = dataOf(body);
  if (body === null || receipt === null || !sameJson(data?.['Initiation'], receipt.Data['Initiation'])) return false;
  return isAgreed(data, receipt.Data, at) && sameJson(body['Risk'] ?? {}, receipt.Risk);
};

/** Whether a variable recurring payment is one of those that were agreed to. */
const isAgreedVrp: Agreed = (sent, agreed, at) => {
  const instruction = objectOf(sent?.['Instruction']);
  return withinLimit(instruction, agreed) && toAgreedCreditor(instruction, agreed) && inTime(at, agreed);
};

const withinLimit = (instruction: Json, agreed: Json): boolean => {
  const sent = amountIn(instruction, 'InstructedAmount');
  const most = amountIn(agreed?.['ControlParameters'], 'MaximumIndividualAmount');
  return sent !== null && most !== null && sent.currency === most.currency && sent.units <= most.units;
};

const toAgreedCreditor = (instruction: Json, agreed: Json): boolean => {
  const creditor = objectOf(agreed?.['Initiation'])?.['CreditorAccount'];
  return creditor === undefined || sameJson(instruction?.['CreditorAccount'], creditor);
};

const inTime = (at: number, agreed: Json): boolean => {
  const control = objectOf(agreed?.['ControlParameters']);
  const [from, to] = [control?.['ValidFromDateTime'], control?.['ValidToDateTime']].map((moment) => Date.parse(String(moment)));
  // A bound that was not agreed is not a number: nothing is before or after it.
  return !(at * 1000 < Number(from)) && !(at * 1000 >= Number(to));
};

const amountIn = (within: unknown, name: string): { currency: unknown; units: bigint } | null => {
  const amount = objectOf(objectOf(within)?.[name]);
  // Open Banking has amounts of up to five decimals: compared as whole numbers, none is rounded.
  const [, whole, decimals = ''] = /^(\d{1,13})(?:\.(\d{1,5}))?$/.exec(String(amount?.['Amount'])) ?? [];
  return whole === undefined ? null : { currency: amount?.['Currency'], units: BigInt(whole + decimals.padEnd(5, '0')) };
};

const objectOf = (value: unknown): Readonly<Record<string, unknown>> | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;

const dataOf = (body: Json): Json => objectOf(body?.['Data']);
