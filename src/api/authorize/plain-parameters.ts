import { OAuthError } from '../../domain/oauth-error.ts';
import { type Form, parseJson } from '../body.ts';

/** The parameters of a form or a query, in which `claims` is a text of JSON. */
export const parametersIn = (form: Form): Readonly<Record<string, unknown>> => {
  const { claims } = form;
  if (claims === undefined) return form;
  try {
    return { ...form, claims: parseJson(claims) };
  } catch {
    throw new OAuthError('invalid_request', 'claims is not valid JSON');
  }
};
