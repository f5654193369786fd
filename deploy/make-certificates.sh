#!/bin/bash
# Makes the certificates between the services, once: two authorities, one for KurrentDB and one for the engines. Every folder of the volume
# is mounted where it is needed and nowhere else; the folders of the authorities are mounted nowhere.
# They run out after a year: remove the volume and start again, and there are new ones.
set -euo pipefail
cd "${1:-/certificates}"
[ ! -e complete ] || exit 0
rm -rf -- *

authority() {
  es-gencert-cli create-ca -out "./$1-authority"
  mkdir "$1-trust"
  cp "$1-authority/ca.crt" "$1-trust/"
}

node() {
  es-gencert-cli create-node -ca-certificate "./$1-authority/ca.crt" -ca-key "./$1-authority/ca.key" -out "./$2" -dns-names "$3"
}

authority kurrentdb
for name in kurrentdb-1 kurrentdb-2 kurrentdb-3; do
  node kurrentdb "$name" "$name,localhost"
done
authority engine
node engine engine engine-1,engine-2

# KurrentDB and the engines run as this user. The trust of the proxy is read by another one.
chown -R 1000:1000 .
chmod 0755 . kurrentdb-trust engine-trust
chmod 0644 kurrentdb-trust/ca.crt engine-trust/ca.crt
touch complete
