/** The JSON of an answer. What stands in one that is none is nobody's business: the error does not repeat it. */
export const jsonIn = (body: string): unknown => {
  try {
    return JSON.parse(body);
  } catch {
    throw new SyntaxError('the answer is not JSON');
  }
};
