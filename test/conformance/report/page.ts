import { PARTS, REQUIREMENTS, type Requirement } from '../requirements.ts';

/** The number of every test that ran, with whether it passed. */
export interface Ran {
  id: string;
  passed: boolean;
}

/** The page of conformance: every requirement, and what its tests came to. */
export const conformancePage = (ran: readonly Ran[], on: string): string => {
  const results = Map.groupBy(ran, ({ id }) => id);
  const resultOf = ({ id, notApplicable, notBuilt, except }: Requirement): string => {
    if (notApplicable !== undefined) return `not applicable: ${notApplicable}`;
    if (notBuilt !== undefined) return `not built: ${notBuilt}`;
    const own = results.get(id) ?? [];
    if (own.length === 0) return 'not run';
    if (!own.every(({ passed }) => passed)) return 'fail';
    return except === undefined ? 'pass' : `pass in part: ${except}`;
  };
  const all = REQUIREMENTS.map((requirement) => resultOf(requirement).replace(/:.*/s, ''));
  const counts = [...Map.groupBy(all, (result) => result)].map(([result, { length }]) => `${length} ${result}`);
  const parts = PARTS.map(
    ({ title, requirements }) => `## ${title}

| requirement | specification | in our words | result |
|---|---|---|---|
${requirements.map((one) => `| ${one.id} | ${one.section} | ${one.says} | ${resultOf(one)} |`).join('\n')}
`,
  );
  return `# Conformance

What the specifications of CIBA, FAPI, OpenID Connect and dynamic registration demand of an authorization server, and whether this one does
it. Every requirement has a test of its number in \`test/conformance\`, which plays the client against the running server over TLS. This page
is written by \`npm run conformance\` from the results of those tests, and by nothing else. It is our own test, not a certification. What
passes in part says what of it is not met, on purpose.

Last run: ${on}. ${counts.join(', ')}.

${parts.join('\n')}`;
};
