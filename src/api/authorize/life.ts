/** From the time a request is known, its PSU has this long to sign in and to answer. */
export const LIFE_SECONDS = 600;
/** A code is redeemed within this time (FAPI 2 SP 5.3.2.1-11). */
export const CODE_SECONDS = 60;
