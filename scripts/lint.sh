#!/bin/bash
# Runs the further checks whose tools are installed, and names the others.
set -euo pipefail
cd "$(dirname "$0")/.."

have() {
	command -v "$1" > /dev/null && return
	echo "not run: $1 is not installed"
	return 1
}

if have staticcheck; then staticcheck ./...; fi
if have govulncheck; then govulncheck ./...; fi
if have shellcheck; then shellcheck scripts/*.sh .ci/run deployments/compose/redis/*.sh; fi
if have systemd-analyze; then
	# verify wants a program that exists; the exposure (0 to 100) may not rise.
	dir="$(mktemp -d)"
	trap 'rm -rf "$dir"' EXIT
	sed 's#/usr/local/bin/relais#/bin/true#' deployments/systemd/relais.service > "$dir/relais.service"
	complaints="$(systemd-analyze verify "$dir/relais.service" 2>&1 | grep -F "$dir" || true)"
	if [ -n "$complaints" ]; then
		echo "$complaints" >&2
		exit 1
	fi
	systemd-analyze security --offline=true --threshold=20 --no-pager "$dir/relais.service" | tail -1
fi
if have promtool; then
	(cd deployments/prometheus && promtool check config prometheus.yml && promtool test rules relais.rules.test.yml)
fi
