#!/bin/bash
# Runs every fuzz target for the given time (default 10s), one after another.
set -euo pipefail
cd "$(dirname "$0")/.."
time="${1:-10s}"
found=0
while IFS=: read -r file name; do
	found=$((found + 1))
	echo "== ./$(dirname "$file") $name ($time)"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "./$(dirname "$file")"
done < <(grep -roE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed 's/^\.\///; s/func //' | sort)
echo "$found fuzz targets ran for $time each"
[ "$found" -gt 0 ]
