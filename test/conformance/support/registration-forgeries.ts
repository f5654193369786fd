import { corrupted, signJws, testKey } from '../../support/jws.ts';
import type { Bank } from './bank.ts';
import { claims, futures, jtis, moments, names, type PlacedForgery, plain, signedBy } from './claims.ts';
import { claiming, honestly } from './forging.ts';
import { type Refusal, statementOf } from './places.ts';

const UNAPPROVED: Refusal = [400, 'unapproved_software_statement'];
const INVALID_STATEMENT: Refusal = [400, 'invalid_software_statement'];

const noName = /^no |( null| empty| a number| a list| an object)$/;

/** What a directory says need not have an exp; who else it may be about is for the directory to say. */
export const statements: PlacedForgery[] = [
  ...moments('iat'),
  ...moments('exp').filter(({ name }) => !/^no |in milliseconds$|huge$|the largest safe integer$/.test(name)),
  ...names('iss').map((one) => (noName.test(one.name) ? one : { ...one, refusal: UNAPPROVED })),
  ...names('software_id').filter(({ name }) => noName.test(name)),
  ...futures,
  ...plain({ 'nbf a text': claiming({ nbf: '0' }), 'nbf null': claiming({ nbf: null }) }),
  claims('exp now', ({ time }) => ({ exp: time.clock() })),
  claims('exp a second ago', ({ time }) => ({ exp: time.clock() - 1 })),
  claims('iat half a year ago', ({ time }) => ({ iat: time.clock() - 15_552_001 })),
  claims('software_environment production, which has no directory', () => ({ software_environment: 'production' }), UNAPPROVED),
  claims('software_environment a list', () => ({ software_environment: ['sandbox'] })),
  claims('org_status Withdrawn', () => ({ org_status: 'Withdrawn' }), UNAPPROVED),
  claims('org_status a list', () => ({ org_status: ['Active'] })),
  signedBy('the key of the software', ({ ecosystem }) => ecosystem.softwareKeys.ES256),
  signedBy('the key of a client', ({ tpps }) => tpps.ES256.key),
];

const stating = (name: string, statement: (bank: Bank) => Promise<string | undefined>): PlacedForgery => ({
  name,
  forge: (bank) => async (honest) => claiming({ software_statement: await statement(bank) })(honest),
  refusal: INVALID_STATEMENT,
});
const honestStatement = (bank: Bank) => honestly(statementOf(bank, 'ES256')) as string;

export const registrationRequests: PlacedForgery[] = [
  ...moments('exp'),
  ...moments('iat'),
  ...names('iss'),
  ...jtis,
  ...futures,
  ...plain({ 'nbf a text': claiming({ nbf: '0' }), 'nbf null': claiming({ nbf: null }) }),
  claims('exp now', ({ time }) => ({ exp: time.clock() })),
  claims('exp a second ago', ({ time }) => ({ exp: time.clock() - 1 })),
  claims('exp beyond the limit', ({ time }) => ({ exp: time.clock() + 3661 })),
  claims('iat more than an hour ago', ({ time }) => ({ iat: time.clock() - 3601 })),
  claims('iss the directory', () => ({ iss: 'https://directory.example' })),
  claims('aud another endpoint', ({ tested }) => ({ aud: `${tested.url}/oauth2/token` })),
  signedBy('the key of the directory', ({ ecosystem }) => ecosystem.directoryKeys.ES256),
  signedBy('the key of a client', ({ tpps }) => tpps.ES256.key),
  stating('no software statement', async () => undefined),
  stating('an empty software statement', async () => ''),
  stating('a software statement that was changed', async (bank) => corrupted(honestStatement(bank))),
  stating('a software statement by the software itself', async (bank) =>
    signJws(bank.ecosystem.softwareKeys.ES256, statementOf(bank, 'ES256').claims),
  ),
  stating('a software statement by a stranger', async (bank) => signJws(testKey('ES256'), statementOf(bank, 'ES256').claims)),
  {
    name: 'the software statement of another software',
    forge: (bank) => (honest) => {
      const { header, claims: said, key } = statementOf(bank, 'ES256');
      return claiming({ software_statement: honestly({ header, claims: { ...said, software_id: 'software-2' }, key }) })(honest);
    },
  },
];
