import * as z from 'zod';
import { shownConsent } from '../shown-consent.ts';

/** What the page says of a request, from the text that was recorded as shown: the digest is over that text. */
const shownRequest = z.object({
  client: z.object({ client_name: z.string() }),
  scope: z.string(),
  binding_message: z.string().nullable(),
  request_context: z.record(z.string(), z.unknown()).nullable(),
  authorization_details: z.array(z.looseObject({ type: z.string() })).nullable(),
  consent: shownConsent.nullable(),
  consent_data: z.array(z.object({ title: z.string(), data: z.array(z.string()) })),
  accounts: z.array(z.object({ account_id: z.string(), display_name: z.string() })),
});

/** What a showing said, from its text. */
export const readShownRequest = (text: string): z.output<typeof shownRequest> => shownRequest.parse(JSON.parse(text));
