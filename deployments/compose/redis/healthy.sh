#!/bin/sh
# Succeeds when Redis answers and takes writes.
set -eu
cd "$(dirname "$0")"
REDISCLI_AUTH="$(cat password)" redis-cli "$@" set relais:healthy 1 ex 60 | grep -q OK
