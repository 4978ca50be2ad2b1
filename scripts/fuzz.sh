#!/bin/bash
# Runs every fuzz target for the given time (default 10s), one after another. A
# second argument is a pattern for the targets' names. Minimising is kept short:
# sessions that depend on timing would otherwise spend all their time in it.
set -euo pipefail
cd "$(dirname "$0")/.."
time="${1:-10s}"
only="${2:-.}"
found=0
while IFS=: read -r file name; do
	[[ "$name" =~ $only ]] || continue
	found=$((found + 1))
	echo "== ./$(dirname "$file") $name ($time)"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 1s "./$(dirname "$file")"
done < <(grep -roE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed 's/^\.\///; s/func //' | sort)
echo "$found fuzz targets ran for $time each"
[ "$found" -gt 0 ]
