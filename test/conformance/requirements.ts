/** One requirement of the specifications, and what a deviation from it means to the certification programme. */
export interface Requirement {
  id: string;
  /** F: a failure; W: a warning; S: demanded or advised by the specification, but not exercised. */
  level: 'F' | 'W' | 'S';
  section: string;
  says: string;
  /** Why it is not ours to meet. */
  notApplicable?: string;
  /** What of it is missing. */
  notBuilt?: string;
  /** What of it is not met on purpose; the rest is tested. */
  except?: string;
}

type Row = [
  id: string,
  level: Requirement['level'],
  section: string,
  says: string,
  exception?: Pick<Requirement, 'notApplicable' | 'notBuilt' | 'except'>,
];

const BRAZIL = { notApplicable: 'A profile of Open Finance Brasil, which this engine does not claim.' };
const CONNECT_ID = { notApplicable: 'A profile of ConnectID Australia, which this engine does not claim.' };

const CIBA: Row[] = [
  [
    'R1',
    'F',
    'OIDC Discovery 4.1-4.3; RFC 8414 2, 3.3',
    'The metadata document is JSON at the well-known place of an https issuer without query, fragment or user.',
  ],
  ['R2', 'F', 'RFC 8414 2; OIDC Discovery 3', 'Every published member is a registered one of its registered type.'],
  ['R3', 'F', 'RFC 6749 3.3; RFC 8414 2', 'The supported scopes are scope tokens, the supported locales language tags.'],
  ['R4', 'F', 'CIBA 4; OIDC Discovery 3', 'The backchannel, token, registration and key endpoints are https URLs.'],
  ['R5', 'F', 'OIDC Discovery 3; FAPI 1 Advanced 8.5', 'An https authorization endpoint is published.'],
  [
    'R6',
    'F',
    'CIBA 4; FAPI-CIBA 5.2.2-3 to -5, 7.8',
    'The delivery modes on offer are listed, poll among them; a FAPI client cannot have push.',
  ],
  ['R7', 'W', 'CIBA 4; FAPI-CIBA 7.6', 'Authentication requests are signed with PS256 or ES256, and nothing weaker is listed.'],
  ['R8', 'W', 'CIBA 4', 'The support of user_code is told as a boolean.'],
  ['R9', 'F', 'CIBA 4; OIDC Discovery 3', 'The grant types list CIBA, and refresh_token exactly when refresh tokens are issued.'],
  ['R10', 'F', 'RFC 8705 3.3; FAPI 1 Advanced 5.2.2-5, -6', 'Certificate-bound access tokens are announced.'],
  ['R11', 'F', 'FAPI 1 Advanced 5.2.2-14; RFC 8705 2', 'private_key_jwt and the mTLS methods are among the authentication methods.'],
  ['R12', 'F', 'FAPI 1 Advanced 8.6', 'Client assertions may be signed with PS256 or ES256.'],
  ['R13', 'F', 'FAPI 1 Advanced 8.6', 'ID tokens and signed userinfo come with PS256 or ES256.'],
  ['R14', 'F', 'RFC 8705 5', 'The mTLS aliases name endpoints that exist, and never the authorization endpoint.'],
  [
    'R15',
    'F',
    'RFC 7517 4.5, 5; FAPI 1 Baseline 5.2.2-5, -6',
    'The key set holds public keys of sufficient size, each with a kid, use and alg of its own.',
  ],
  ['R16', 'F', 'FAPI 1 Advanced 8.5; FAPI 1 Baseline 7.1', 'TLS 1.2 and 1.3 are spoken; 1.0 and 1.1 are refused with an alert.'],
  ['R17', 'F', 'FAPI 1 Advanced 8.5; RFC 9325 4.2', 'Under TLS 1.2 the two ECDHE-RSA suites with AES-GCM are enabled and no other.'],
  ['R18', 'F', 'RFC 9325 3.1.1', 'TLS 1.3 wins the negotiation.'],
  ['R19', 'F', 'RFC 8705 2.2, 3, 7.1', 'The mTLS listener asks for a certificate and lets a self-signed one through to the application.'],
  ['R20', 'F', 'FAPI 1 Advanced 8.6; CIBA 13; RFC 7523 3', 'Assertions are signed with PS256 or ES256; RS256 is refused.'],
  ['R21', 'F', 'CIBA 7.1', 'At the backchannel endpoint an assertion is for the issuer, the token endpoint or the endpoint itself.'],
  [
    'R22',
    'F',
    'OIDC Core 9; RFC 7523 3; RFC 8705 5',
    'At the token endpoint an assertion is for the URL that is called, its mTLS alias or the issuer.',
  ],
  ['R23', 'F', 'RFC 7523 3; OIDC Core 9', 'An assertion names its client twice, has jti and exp, and counts once.'],
  ['R24', 'F', 'RFC 6749 5.2; CIBA 13', 'A client of private_key_jwt cannot do with its id and a certificate alone.'],
  ['R25', 'F', 'RFC 8705 2; CIBA 13; RFC 6749 5.2', 'A certificate proves the client that it belongs to and no other.'],
  ['R26', 'S', 'FAPI-CIBA 5.2.2-1; FAPI 1 Advanced 5.2.2-14', 'Shared secrets are not offered to FAPI clients.'],
  ['R27', 'F', 'CIBA 7.1, 7.3, 13', 'The backchannel endpoint takes a form and always answers in JSON.'],
  ['R28', 'F', 'CIBA 7.1.1; FAPI-CIBA 5.2.2-6', 'The parameters count only inside a signed request object.'],
  ['R29', 'F', 'CIBA 7.1.1, 7.2, 13; FAPI-CIBA 7.6', 'A request object is signed by the client with PS256 or ES256.'],
  ['R30', 'F', 'CIBA 7.1.1; FAPI-CIBA 5.2.2-9', 'A request object has iss, aud, exp, iat, nbf and jti.'],
  ['R31', 'F', 'CIBA 7.1.1', 'The issuer of a request object is its client.'],
  ['R32', 'F', 'CIBA 7.1.1; FAPI 1 Advanced 5.2.2-15', 'The audience of a request object is the issuer.'],
  [
    'R33',
    'F',
    'FAPI-CIBA 5.2.2-9; FAPI 1 Advanced 5.2.2-13, -17',
    'A request object lives for at most an hour, and is at most an hour old.',
  ],
  ['R34', 'F', 'CIBA 7.1.1; FAPI-CIBA 5.2.2-9', 'A request object is not taken before its time, save for a small difference of clocks.'],
  ['R35', 'F', 'RFC 9101 4; RFC 7515 4.1.9', 'The typ of a request object is absent or oauth-authz-req+jwt in any case.'],
  ['R36', 'F', 'CIBA 7.1, 7.2-3, 13', 'There is exactly one hint.'],
  ['R37', 'S', 'CIBA 7.1.2, 13', 'Hints, user codes, clients and scopes that are wrong have codes of their own.'],
  ['R38', 'S', 'FAPI-CIBA 5.2.2-10, -11, 5.3', 'request_context is taken.'],
  ['R39', 'F', 'RFC 6749 3.3; CIBA 7.1', 'The order of scope values does not matter; openid is one of them.'],
  ['R40', 'F', 'CIBA 7.1, 13; FAPI-CIBA 5.2.2-2, 7.3', 'A binding message is shown intact or refused.'],
  ['R41', 'F', 'CIBA 7.1, 7.1.1', 'requested_expiry, a number or digits, shortens the life of a request.'],
  ['R42', 'F', 'FAPI-CIBA 5.2.2-8; CIBA 7.1', 'The acr of the ID token is one that was asked for.'],
  ['R43', 'F', 'CIBA 7.1; RFC 6750 2.1', 'A ping client sends a notification token of up to 1024 characters.'],
  ['R44', 'F', 'CIBA 7.3', 'A request that is taken has auth_req_id, expires_in and interval.'],
  ['R45', 'F', 'CIBA 7.3', 'auth_req_id has the alphabet of the specification and cannot be guessed.'],
  ['R46', 'F', 'CIBA 13; RFC 6749 5.2', 'Errors have their code, a printable description and nothing else.'],
  ['R47', 'F', 'CIBA 13', 'Errors are 400, but invalid_client 401 and access_denied 403.'],
  ['R48', 'F', 'CIBA 10.1, 11', 'Who waits is told so from the first call on, a ping client too.'],
  ['R49', 'F', 'CIBA 7.3, 11', 'Twenty calls at once are all told to wait or to slow down.'],
  ['R50', 'F', 'CIBA 11', 'slow_down adds five seconds to the interval, and who keeps to it gets through.'],
  ['R51', 'S', 'CIBA 7.3, 10.1', 'A long poll does not outlive its request.'],
  ['R52', 'F', 'CIBA 11', 'A refusal of the PSU is access_denied with 400.'],
  ['R53', 'F', 'CIBA 11', 'An expired request is expired_token, and stays so.'],
  ['R54', 'F', 'CIBA 11; RFC 6749 5.2', 'An auth_req_id of another client, or one that was used, is invalid_grant.'],
  ['R55', 'F', 'RFC 8705 3; FAPI 1 Advanced 5.2.2-5, -6', 'Without a certificate nothing is said of the state of a request.'],
  ['R56', 'F', 'CIBA 10.1.1; RFC 6749 5.1; OIDC Core 3.1.3.3', 'Tokens come with 200, no-store, their type and an ID token.'],
  ['R57', 'F', 'FAPI 1 Baseline 5.2.2-16; RFC 6749 10.10', 'Tokens are printable and cannot be guessed.'],
  ['R58', 'F', 'OIDC Core 2, 3.1.3.7; FAPI 1 Advanced 8.6', 'The ID token verifies by the key set and names its parties and moments.'],
  ['R59', 'F', 'CIBA 10.3.1; OIDC Core 3.3.2.11', 'The hashes in the ID token are right.'],
  ['R60', 'F', 'OIDC Core 5.1; FAPI 1 Advanced 8.6.1', 'Identity claims have their types.'],
  ['R61', 'F', 'RFC 6749 6; OIDC Core 12.2', 'A refresh works with and without scope.'],
  ['R62', 'F', 'RFC 6749 5.2, 10.4', 'A refresh token of another client is invalid_grant.'],
  ['R63', 'F', 'CIBA 10.2', 'A ping brings auth_req_id and nothing else, with the notification token, after approval and after refusal.'],
  ['R64', 'F', 'CIBA 10.2', 'What a ping announces is there at once.'],
  ['R65', 'F', 'CIBA 10.2', 'What the client answers to a ping changes nothing; there is no retry after 4xx and no redirect is followed.'],
  ['R66', 'F', 'CIBA 5, 10.2', 'A poll client is never notified.'],
  ['R67', 'F', 'RFC 8705 3; RFC 6750 3.1', 'A bound token is refused on a connection with another certificate.'],
  ['R68', 'F', 'FAPI 1 Baseline 6.2.1-9, -10', 'Resources are JSON and come with the date.'],
  ['R69', 'F', 'FAPI 1 Baseline 6.2.1-11', 'The interaction id is echoed, or made.'],
  ['R70', 'F', 'FAPI 1 Baseline 6.2.1-4', 'A token in the query is no token.'],
  ['R71', 'F', 'FAPI 1 Baseline 6.2.1, 6.2.2; RFC 9110 11.1', 'Further headers do no harm, and the scheme has no case.'],
  ['R72', 'F', 'CIBA 4; RFC 7591 2; RFC 8705 3.4', 'A client of CIBA registers itself.'],
  ['R73', 'F', 'RFC 7591 3.2.1; OIDC Registration 3.2', 'A registration is answered with 201, a client_id and the way to manage it.'],
  ['R74', 'W', 'RFC 7592 2.3', 'A client deletes its registration.'],
  ['R75', 'F', 'OB UK Read/Write 3.1; RFC 6749 4.4', 'A client lodges an account access consent with a token of its own.'],
  ['R76', 'F', 'Open Finance Brasil CIBA 5.2.2, 6.2.6', 'Ping with private_key_jwt, and the consent as login_hint.', BRAZIL],
  ['R77', 'F', 'Open Finance Brasil security profile 5.2.2, 6.1.1', 'Metadata of its own.', BRAZIL],
  ['R78', 'F', 'ConnectID security profile 4.2; CIBA profile 4.2', 'Poll with private_key_jwt and pairwise subjects.', CONNECT_ID],
  ['R79', 'F', 'ConnectID CIBA profile 4.1, 4.3', 'A purpose as binding message.', CONNECT_ID],
  [
    'R80',
    'F',
    'RFC 9396 2, 5; ConnectID CIBA profile 4.1.3',
    'The authorization details of a card payment are whole and well-formed, or refused.',
  ],
  ['R81', 'F', 'ConnectID IDA 5.1; security profile 4.2', 'Verified claims and a transaction id in the ID token.', CONNECT_ID],
];

const FAPI_1: Row[] = [
  [
    'A1',
    'F',
    'FAPI 1 Advanced 5.2.2-2; OAuth Multiple Response Types 5',
    'A bare code is refused; code id_token, or code with JARM, is allowed.',
  ],
  [
    'A2',
    'F',
    'FAPI 1 Advanced 5.2.2.1-4, -5; OIDC Core 3.3.2.11',
    'The ID token of the front channel has c_hash and s_hash, and the sub of the other one.',
  ],
  ['A3', 'F', 'FAPI 1 Advanced 5.2.2-1, -10', 'Only what stands in the signed request object counts.'],
  [
    'A4',
    'F',
    'FAPI 1 Advanced 5.2.2-13, -15, -17; FAPI 1 Baseline 5.2.2.2',
    'A request object has its times, its audience, scope, redirect_uri and nonce.',
  ],
  ['A5', 'F', 'OIDC Core 3.1.2.6; RFC 6749 4.1.2.1', 'Errors go to registered redirect URIs only, with known parameters only.'],
  ['A6', 'F', 'RFC 9126 2.1-2.3, 4, 7', 'Pushed requests get a request_uri that cannot be guessed, of this client, for a time.'],
  ['A7', 'W', 'RFC 9126 7.3', 'A request_uri is used up by the end of its authorization, not by a visit.'],
  ['A8', 'F', 'FAPI 1 Advanced 5.2.2-18; RFC 7636 4.6', 'A pushed request needs PKCE with S256, and its code the verifier.'],
  ['A9', 'F', 'RFC 6749 4.1.2, 10.10; FAPI 1 Baseline 5.2.2-13', 'A code is good once, for its client, and cannot be guessed.'],
  ['A10', 'F', 'JARM 2.1, 2.3, 2.4, 4', 'JARM answers are signed JWTs with iss, aud and exp, alone.'],
  ['A11', 'F', 'OB UK security profile 3.4; OIDC Core 5.5', 'openbanking_intent_id names the consent, and none of another client.'],
  ['A12', 'F', 'FAPI 1 Baseline 5.2.2.2', 'Long nonces and states come back intact or are refused.'],
];

const FAPI_2: Row[] = [
  ['B1', 'F', 'FAPI 2 SP 5.3.2.2-1, -2, -5, -7, 5.4; RFC 9207 3', 'The metadata tells of PAR, S256, code, iss and DPoP.'],
  ['B2', 'F', 'FAPI 2 SP 5.3.2.2-1, -2', 'Only pushed requests for a code are taken.'],
  ['B3', 'F', 'FAPI 2 SP 5.3.2.1-6, -8, 5.4', 'The audience of an assertion is exactly the issuer; small differences of clocks are borne.'],
  ['B4', 'F', 'FAPI 2 SP 5.3.2.1-11', 'A code lives for at most 60 seconds, and is good once.'],
  ['B5', 'F', 'FAPI 2 SP 5.3.2.1, 5.3.4-2', 'Tokens are bound to a certificate or by DPoP, at the token endpoint and at resources.'],
  [
    'B6',
    'F',
    'RFC 9449 4.2, 4.3, 5, 7.1, 10; FAPI 2 SP 5.4',
    'DPoP proofs are checked in every member, and bind code and token to one key.',
  ],
  ['B7', 'W', 'RFC 9449 4.3, 11.1; RFC 3986 6.2', 'A proof counts once; its URI is normalised.'],
  ['B8', 'F', 'RFC 6749 6; FAPI 2 SP 5.3.2.1-9', 'A refresh needs the authenticated client, and the refresh token stays.'],
  ['B9', 'F', 'FAPI 2 SP 5.3.2.2-7, -14', 'A nonce of 64 characters works, and every answer names its issuer.'],
  ['B10', 'F', 'FAPI 2 MS 5.3; RFC 9101', 'Signed pushed requests keep to the rules of request objects, and JARM to its own.'],
  ['B11', 'F', 'RFC 9396 2, 7', 'Authorization details are taken, and returned with the tokens.'],
  ['B12', 'F', 'RFC 6749 4.4.3', 'A token of the client itself is bound in the same way, and has no refresh token.'],
];

const OIDC: Row[] = [
  [
    'C1',
    'F',
    'OIDC Discovery 3, 4',
    'The metadata of the basic profile, with RS256 among the algorithms of ID tokens.',
    { except: 'RS256 is not listed and never used: FAPI 1 Advanced 8.6 forbids it, and all clients share one set of keys.' },
  ],
  ['C2', 'F', 'OIDC Core 3.1, 5.3, 5.4, 15.1', 'The code flow with client secrets, userinfo, prompt, max_age and unknown parameters.'],
  ['C3', 'F', 'OIDC Core 3.1.2.6, 6', 'request and request_uri are processed, or refused with their own codes.'],
  [
    'C4',
    'F',
    'OIDC Registration 2, 3; OIDC Core 10.1.1, 15.2',
    'Dynamic registration: algorithms, signed userinfo, logo and policies, keys by reference that change, sector identifiers, request_uri.',
    {
      except:
        'RS256 and unsigned ID tokens are refused; as subjects are public, sector_identifier_uri is neither fetched nor registered; logo, policy and terms are registered and not shown to the PSU; a request_uri must have been pushed here (C3).',
    },
  ],
];

const REGISTRATION: Row[] = [
  ['D1', 'F', 'RFC 7591 3.2', 'A registration is answered with all its metadata, or with the code for what is wrong with it.'],
  ['D2', 'F', 'RFC 7591 2.3, 3.1.1', 'A software statement is verified, and its values win.'],
  ['D3', 'F', 'RFC 7592 2.1-2.3', 'A client reads, replaces and deletes its registration with its own token.'],
  [
    'D4',
    'F',
    'Brazil DCR 7.1',
    'Where the settings ask for it, registration and its management take no call without a certificate of a trusted authority.',
  ],
];

/** The parts of the list, in the order of the page. */
export const PARTS: readonly { title: string; requirements: readonly Requirement[] }[] = [
  { title: 'CIBA and FAPI-CIBA', rows: CIBA },
  { title: 'FAPI 1.0 Advanced', rows: FAPI_1 },
  { title: 'FAPI 2.0 Security Profile and Message Signing', rows: FAPI_2 },
  { title: 'OpenID Connect Core', rows: OIDC },
  { title: 'Dynamic registration and management', rows: REGISTRATION },
].map(({ title, rows }) => ({
  title,
  requirements: rows.map(([id, level, section, says, exception]) => ({ id, level, section, says, ...exception })),
}));

/** Every requirement. */
export const REQUIREMENTS: readonly Requirement[] = PARTS.flatMap(({ requirements }) => requirements);
