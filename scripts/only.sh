#!/bin/bash
# Runs go test with the given flags over everything, shows the tests that ran,
# and fails when none did: an empty run proves nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
go test -v "$@" ./... 2>&1 | tee "$log" | grep -vE '^(=== |ok .*\[no tests to run\]|\?.*\[no test files\])'
if ! grep -q '^--- PASS' "$log"; then
	echo "no test matched: $*" >&2
	exit 1
fi
