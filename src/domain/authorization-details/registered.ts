import { accountInformation } from './account-information.ts';
import { cardPayment } from './card-payment.ts';
import { typesOf } from './detail-type.ts';
import { paymentInitiation } from './payment-initiation.ts';

/** The types that come with the engine. An ASPSP's own go beside them: `typesOf(...detailTypes.values(), its own)`. */
export const detailTypes = typesOf(accountInformation, paymentInitiation, cardPayment);
