#!/bin/bash
# Fails when a Go file is not formatted.
set -euo pipefail
cd "$(dirname "$0")/.."
wrong="$(gofmt -l .)"
if [ -n "$wrong" ]; then
	printf 'not formatted; run gofmt -w:\n%s\n' "$wrong" >&2
	exit 1
fi
