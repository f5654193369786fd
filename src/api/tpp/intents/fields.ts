import * as z from 'zod';
import { isSeen } from '../../../domain/showable.ts';

/** A text of at most so many characters, all of which are seen: most of it is shown to the PSU. */
export const text = (most: number, least = 1) => z.string().min(least).max(most).refine(isSeen, 'it holds characters that are not seen');

/** ISODateTime of the Open Banking API, with its offset. */
export const dateTime = z.iso.datetime({ offset: true });

export const currency = z.string().regex(/^[A-Z]{3}$/);
const country = z.string().regex(/^[A-Z]{2}$/);
const decimal = z.string().regex(/^\d{1,13}(\.\d{1,5})?$/);

export const money = z.strictObject({ Amount: decimal, Currency: currency });

const account = { SchemeName: text(40), Identification: text(256), SecondaryIdentification: text(34).optional() };
export const debtorAccount = z.strictObject({ ...account, Name: text(350).optional() });
export const creditorAccount = z.strictObject({ ...account, Name: text(350) });

/** OBPostalAddress6. */
export const postalAddress = z.strictObject({
  AddressType: z.enum(['Business', 'Correspondence', 'DeliveryTo', 'MailTo', 'POBox', 'Postal', 'Residential', 'Statement']).optional(),
  Department: text(70).optional(),
  SubDepartment: text(70).optional(),
  StreetName: text(70).optional(),
  BuildingNumber: text(16).optional(),
  PostCode: text(16).optional(),
  TownName: text(35).optional(),
  CountrySubDivision: text(35).optional(),
  Country: country.optional(),
  AddressLine: z.array(text(70)).max(7).optional(),
});
export const creditor = z.strictObject({ Name: text(350).optional(), PostalAddress: postalAddress.optional() });
export const creditorAgent = z.strictObject({
  SchemeName: text(40).optional(),
  Identification: text(35).optional(),
  Name: text(140).optional(),
  PostalAddress: postalAddress.optional(),
});
export const remittanceInformation = z.strictObject({ Unstructured: text(140).optional(), Reference: text(35).optional() });
/** What the standard leaves to the ASPSP. */
export const supplementaryData = z.looseObject({});
export const countryCode = country;

/** What a payment consent says beside the payment. */
export const besidePayment = {
  ReadRefundAccount: z.enum(['Yes', 'No']).optional(),
  Authorisation: z.strictObject({ AuthorisationType: z.enum(['Any', 'Single']), CompletionDateTime: dateTime.optional() }).optional(),
  SCASupportData: z
    .strictObject({
      RequestedSCAExemptionType: z
        .enum(['BillPayment', 'ContactlessTravel', 'EcommerceGoods', 'EcommerceServices', 'Kiosk', 'Parking', 'PartyToParty'])
        .optional(),
      AppliedAuthenticationApproach: z.enum(['CA', 'SCA']).optional(),
      ReferencePaymentOrderId: text(128).optional(),
    })
    .optional(),
};

/** OBRisk1. */
export const paymentRisk = z.strictObject({
  PaymentContextCode: z
    .enum([
      'BillPayment',
      'BillingGoodsAndServicesInAdvance',
      'BillingGoodsAndServicesInArrears',
      'EcommerceGoods',
      'EcommerceMerchantInitiatedPayment',
      'EcommerceServices',
      'FaceToFacePointOfSale',
      'Other',
      'PartyToParty',
      'PispPayee',
      'TransferToSelf',
      'TransferToThirdParty',
    ])
    .optional(),
  MerchantCategoryCode: text(4, 3).optional(),
  MerchantCustomerIdentification: text(70).optional(),
  ContractPresentIndicator: z.boolean().optional(),
  BeneficiaryPrepopulatedIndicator: z.boolean().optional(),
  PaymentPurposeCode: text(4, 3).optional(),
  BeneficiaryAccountType: text(40).optional(),
  DeliveryAddress: z
    .strictObject({
      AddressLine: z.array(text(70)).max(2).optional(),
      StreetName: text(70).optional(),
      BuildingNumber: text(16).optional(),
      PostCode: text(16).optional(),
      TownName: text(35),
      CountrySubDivision: z.union([text(35), z.array(text(35)).max(2)]).optional(),
      Country: country,
    })
    .optional(),
});
