#!/usr/bin/env bash
# A whole ceremony with curl: the TPP asks, the phone of the PSU signs (Ed25519, by OpenSSL 3), the TPP polls.
set -euo pipefail
issuer=${ISSUER:-https://localhost:9446}
data_dir=${DATA_DIR:-data}
approver=/approver/v1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The first text member of that name in the JSON of standard input, with its escapes undone: enough for the answers below.
member() { grep -oE "\"$1\" *: *\"([^\"\\\\]|\\\\.)*\"" | head -n 1 | sed 's/^"[^"]*" *: *"//; s/"$//; s/\\\(["\\/]\)/\1/g'; }
base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
call() { curl --silent --show-error --fail-with-body --cacert "$data_dir/tls/ca.pem" "$@"; }

sandbox=$(cat "$data_dir/sandbox/sandbox.json")
tpp=$(member clientId <<< "$sandbox"):$(member clientSecret <<< "$sandbox")
user=$(member username <<< "$sandbox")
psu=$user:$(member password <<< "$sandbox")

# A JWS of the phone: statement <typ> <claims without aud and iat>.
openssl genpkey -algorithm ed25519 -out "$work/phone.pem"
statement() {
  local text
  text=$(printf '{"alg":"EdDSA","typ":"%s","kid":"%s"}' "$1" "$device" | base64url)
  text=$text.$(printf '{"aud":"%s","iat":%s,%s}' "$issuer" "$(date +%s)" "$2" | base64url)
  printf %s "$text" > "$work/text"
  printf '%s.%s' "$text" "$(openssl pkeyutl -sign -inkey "$work/phone.pem" -rawin -in "$work/text" | base64url)"
}
prove() { statement device-proof+jwt "\"htm\":\"$1\",\"htu\":\"$2\",\"jti\":\"$(openssl rand -hex 16)\""; }
json() { call --header 'content-type: application/json' "$@"; }

echo '# The PSU enrols a phone'
enrolment=$(call --user "$psu" --request POST "$issuer$approver/enrolments")
device=$(member device_id <<< "$enrolment")
challenge=$(member challenge <<< "$enrolment")
x=$(openssl pkey -in "$work/phone.pem" -pubout -outform DER | tail -c 32 | base64url)
key="{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"$x\"}"
claims="\"device_id\":\"$device\",\"challenge\":\"$challenge\",\"public_key\":$key,\"name\":\"curl\",\"model\":\"OpenSSL\""
json --data "{\"registration\":\"$(statement device-registration+jwt "$claims")\"}" "$issuer$approver/devices"

printf '\n# The TPP lodges a consent\n'
token=$(call --user "$tpp" --data 'grant_type=client_credentials&scope=accounts' "$issuer/oauth2/token" | member access_token)
consent=$(json --header "authorization: Bearer $token" --data '{"Data":{"Permissions":["ReadBalances"]},"Risk":{}}' \
  "$issuer/open-banking/v3.1/aisp/account-access-consents")
echo "$consent"
consent_id=$(member ConsentId <<< "$consent")

echo '# ... and asks for it'
asked=$(call --user "$tpp" --data 'scope=openid accounts' --data "login_hint=$user" --data binding_message=W4SCT \
  --data "openbanking_intent_id=$consent_id" "$issuer/oauth2/ciba")
auth_req_id=$(member auth_req_id <<< "$asked")
interval=$(grep -o '"interval" *: *[0-9]*' <<< "$asked" | grep -o '[0-9]*$')

echo '# The phone shows what waits, and signs its approval'
waiting=$(call --header "authorization: DeviceProof $(prove GET $approver/requests)" "$issuer$approver/requests")
request_id=$(grep -o '{[^{}]*"binding_message" *: *"W4SCT"[^{}]*}' <<< "$waiting" | tail -n 1 | member request_id)
path=$approver/requests/$request_id
shown=$(call --header "authorization: DeviceProof $(prove GET "$path")" "$issuer$path")
member shown <<< "$shown"
digest=$(member digest <<< "$shown")
[ "$(printf %s "$(member shown <<< "$shown")" | openssl dgst -sha256 -binary | base64url)" = "$digest" ]
account=$(member shown <<< "$shown" | member account_id)
claims="\"request_id\":\"$request_id\",\"digest\":\"$digest\",\"nonce\":\"$(member nonce <<< "$shown")\",\"verdict\":\"approved\""
claims+=",\"device_id\":\"$device\",\"account_ids\":[\"$account\"],\"exp\":$(($(date +%s) + 60))"
json --data "{\"answer\":\"$(statement consent-answer+jwt "$claims")\"}" "$issuer$path/answer"

printf '\n# The TPP polls\n'
until tokens=$(call --user "$tpp" --data grant_type=urn:openid:params:grant-type:ciba --data "auth_req_id=$auth_req_id" "$issuer/oauth2/token"); do
  case $(member error <<< "$tokens") in
    authorization_pending | slow_down) sleep "$interval" ;;
    *) echo "$tokens" >&2 && exit 1 ;;
  esac
done
access_token=$(member access_token <<< "$tokens")
call --user "$tpp" --data "token=$access_token" "$issuer/oauth2/introspect"

printf '\n# The PSU takes the consent back, and throws the phone away: the token is inactive\n'
call --request DELETE --header "authorization: DeviceProof $(prove DELETE "$approver/consents/$consent_id")" "$issuer$approver/consents/$consent_id"
call --request DELETE --header "authorization: DeviceProof $(prove DELETE "$approver/devices/$device")" "$issuer$approver/devices/$device"
call --user "$tpp" --data "token=$access_token" "$issuer/oauth2/introspect"
echo
