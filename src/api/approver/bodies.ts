import * as z from 'zod';

const statement = z.string().max(16_384);
/** The token by which a push service reaches a device. */
export const pushToken = z.string().min(1).max(4096);

/** A device registers itself. */
export const RegistrationBody = z.strictObject({ registration: statement });
/** A device's push token has changed. */
export const PushTokenBody = z.strictObject({ push_token: pushToken });
/** A PSU answers on a device. */
export const AnswerBody = z.strictObject({ answer: statement });
