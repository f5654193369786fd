import type { StatusAudit } from './admin-docs.ts';
import { statusWord } from './consent-resource.ts';
import type { Chapter, Story } from './story.ts';

/** The changes of a consent, oldest first, each under the id of the fact that made it. */
export const statusAudits = (consentId: string, story: Story): readonly StatusAudit[] =>
  story.map(({ event, before, after }) => ({
    statusAuditId: event.eventId,
    consentId,
    currentStatus: statusWord(after.status),
    actionTime: event.data.at,
    reason: reasonOf(event),
    actionBy: actorOf(event),
    previousStatus: before && statusWord(before.status),
  }));

const BY = { client: 'revoked by the client', psu: 'revoked by the PSU', operator: 'revoked by an officer' } as const;

const reasonOf = (event: Chapter['event']): string => {
  switch (event.type) {
    case 'ConsentLodged':
      return 'lodged';
    case 'ConsentFileUploaded':
      return 'file uploaded';
    case 'ConsentAuthorisationGiven':
      return 'authorised by one of several PSUs';
    case 'ConsentAuthorised':
      return 'authorised';
    case 'ConsentRejected':
      return 'rejected';
    case 'ConsentAmended':
      return event.data.reason;
    case 'ConsentRevoked':
      return BY[event.data.by];
    case 'ConsentExpired':
      return 'expired';
  }
};

/** The PSU who answered, on whichever device; for everything else who called. */
const actorOf = ({ data, actor }: Chapter['event']): string => ('psuId' in data ? data.psuId : actor.id);
