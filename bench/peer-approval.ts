import { post } from './connection.ts';
import type { MakeApprove } from './target.ts';
import { Unexpected } from './tpp.ts';

export const APPROVE_PATH = '/approve/';

export const makeApprove: MakeApprove =
  () =>
  async (connection, { authReqId }) => {
    const answer = await connection.send(post(APPROVE_PATH + authReqId, ''));
    if (answer.status !== 204) throw new Unexpected(answer);
  };
