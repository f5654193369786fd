import fc from 'fast-check';
import { type ConsentPage, consentPage } from '../../../src/api/pages/consent-page.ts';
import { errorPage } from '../../../src/api/pages/error-page.ts';
import { type LoginPage, loginPage } from '../../../src/api/pages/login-page.ts';
import { waitingPage } from '../../../src/api/pages/waiting-page.ts';
import type { Reply } from '../../../src/api/reply.ts';

const bound = {
  action: '/oauth2/authorize',
  interactionId: 'interaction-1',
  csrfToken: 'csrf-1',
  formTargets: ['https://tpp.example/callback?from=bank'],
};
export const login: LoginPage = {
  ...bound,
  clientName: 'Budget Planner',
  username: 'alice',
  error: 'The user name or the password is wrong.',
};
export const consent: ConsentPage = {
  ...bound,
  nonce: 'nonce-1',
  digest: 'digest-1',
  username: 'alice',
  clientName: 'Budget Planner',
  bindingMessage: 'W4SCT',
  scope: 'openid accounts',
  consent: {
    permissions: ['ReadAccountsDetail', 'ReadTransactionsDetail'],
    expiration: '2027-01-31T23:59:59+01:00',
    transactionsFrom: '2026-01-01T00:00:00Z',
    transactionsTo: '2026-12-31T00:00:00Z',
  },
  consentData: [{ title: 'Payment Type', data: ['Domestic Payments'] }],
  details: [
    [{ text: 'Pay 10.00 EUR to Bob', part: null }],
    [
      { text: 'Read the balances', part: { member: 'actions', at: 0 } },
      { text: 'Read the transactions', part: { member: 'actions', at: 1 } },
    ],
  ],
  context: ['till: 7'],
  accounts: [
    { accountId: 'acc-1', displayName: 'Current account' },
    { accountId: 'acc-2', displayName: 'Savings' },
  ],
  error: 'Choose at least one account.',
  before: {},
};

/** Every page with one text in every place where a text can stand. */
export const pagesWith = (text: string): readonly Reply[] => [
  loginPage({ ...login, action: text, interactionId: text, csrfToken: text, clientName: text, username: text, error: text }),
  consentPage({
    ...consent,
    action: text,
    interactionId: text,
    csrfToken: text,
    nonce: text,
    digest: text,
    username: text,
    clientName: text,
    bindingMessage: text,
    // A space would make it two values of scope, which are two lines.
    scope: `x${text.replaceAll(' ', '_')}`,
    consent: { permissions: [text], expiration: `x${text}`, transactionsFrom: `x${text}`, transactionsTo: `x${text}` },
    consentData: [{ title: text, data: [text, text] }],
    details: [
      [
        { text, part: null },
        { text, part: { member: text, at: 0 } },
      ],
    ],
    context: [text, text],
    accounts: [{ accountId: text, displayName: text }],
    error: text,
    before: { [text]: text, 'account.0': text },
  }),
  waitingPage({
    interactionId: text,
    csrfToken: text,
    requests: [{ action: text, clientName: text, bindingMessage: text }],
    answered: 'denied',
    signOutAction: text,
  }),
  errorPage(400, text),
];

/** Texts that try to leave the place where they stand. */
export const ATTACKS = [
  '<script>alert(1)</script>',
  '</script><script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "'><svg/onload=alert(1)>",
  '" onfocus="alert(1)" autofocus="',
  "' onmouseover='alert(1)",
  '" style="position:fixed',
  '` onload=alert(1)',
  '</title><script>alert(1)</script>',
  '</style><style>*{display:none}</style>',
  '</form><form action="https://evil.example/">',
  '<button name="verdict" value="approved">Deny</button>',
  '<base href="https://evil.example/">',
  '<meta http-equiv="refresh" content="0;url=https://evil.example/">',
  '<!-- -->',
  '--><script>alert(1)</script><!--',
  '<![CDATA[<script>alert(1)</script>]]>',
  '<?xml version="1.0"?>',
  '&lt;script&gt;alert(1)&lt;/script&gt;',
  '&#60;script&#62;',
  '&#x3c;img&#x3e;',
  '&lt',
  '&',
  'javascript:alert(1)',
  '<scr\u0000ipt>',
  '<\u0000',
  '%3Cscript%3E',
  '\uFF1Cscript\uFF1E',
  '\u00BCscript\u00BE',
  '+ADw-script+AD4-',
  '#{alert(1)}',
  '{{constructor.constructor("alert(1)")()}}',
  '$&$1$`',
  '\\"><script>',
  '<',
  '>',
  '"',
  "'",
  '<a',
  '</',
  '\ud800<b>\udc00',
];

/** Texts that try to look like others. */
export const DISGUISES = [
  ['\u202Egnp.exe', '\uFFFDgnp.exe'],
  ['Bank\u2066 of\u2069', 'Bank\uFFFD of\uFFFD'],
  ['a\u200Eb\u200Fc\u061Cd', 'a\uFFFDb\uFFFDc\uFFFDd'],
  ['Ba\u200Bnk\uFEFF', 'Ba\uFFFDnk\uFFFD'],
  ['one\r\ntwo\ttabs', 'one\uFFFD\uFFFDtwo\uFFFDtabs'],
  ['a\u2028b\u2029c\u0085d', 'a\uFFFDb\uFFFDc\uFFFDd'],
  ['a\u0000b\u001Bc\u007Fd', 'a\uFFFDb\uFFFDc\uFFFDd'],
  ['so\u00ADft \u3164\u2800', 'so\uFFFDft \uFFFD\uFFFD'],
  ['tag\u{E0041}', 'tag\uFFFD'],
  ['half \ud83d', 'half \uFFFD'],
] as const;

/** Texts that must stay what they are. */
export const HONEST = ['Müller & Söhne', 'בנק לאומי', 'می‌خواهم', 'क्‍ष', '👩‍👩‍👧 ❤️', '株式会社', 'O’Neill "Sons"', 'a\uFFFDb', ' '];

/** Any text, often one that is made of the pieces of an attack. */
export const hostile: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 8 }),
      fc.constantFrom(...ATTACKS, ...DISGUISES.map(([text]) => text), '=', ' ', '/', '-', '!', '<script', 'onload=', '\n'),
    ),
    { maxLength: 6 },
  )
  .map((pieces) => pieces.join(''));
