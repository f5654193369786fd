#!/bin/bash
# KurrentDB takes the first passwords of its users from its environment alone; here they come from files.
# The name of the program has changed between versions.
set -euo pipefail
KURRENTDB_DEFAULT_ADMIN_PASSWORD=$(<"$ADMIN_PASSWORD_FILE")
KURRENTDB_DEFAULT_OPS_PASSWORD=$(<"$OPS_PASSWORD_FILE")
export KURRENTDB_DEFAULT_ADMIN_PASSWORD KURRENTDB_DEFAULT_OPS_PASSWORD
for program in ./KurrentDB ./kurrentd; do
  [ ! -x "$program" ] || exec "$program" "$@"
done
echo 'this image has no KurrentDB where it is looked for' >&2
exit 1
