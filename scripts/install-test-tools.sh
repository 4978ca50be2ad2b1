#!/bin/bash
# Installs the Debian packages that the tests need and that are missing, and
# says which. Needs root or sudo only when something is missing.
set -euo pipefail

# program:package
needed=(
	redis-server:redis-server redis-cli:redis-tools
	gpg:gnupg gpg-agent:gpg-agent gpgconf:gpgconf
	swaks:swaks curl:curl python3:python3 openssl:openssl
	promtool:prometheus gcc:gcc systemd-analyze:systemd
	sq:sq rnp:rnp rnpkeys:rnp antiword:antiword
)
packages=()
for pair in "${needed[@]}"; do
	command -v "${pair%%:*}" > /dev/null || packages+=("${pair#*:}")
done
# swaks speaks TLS only with this module, which it does not depend on.
perl -MNet::SSLeay -e 1 2> /dev/null || packages+=(libnet-ssleay-perl)
# The race detector links against the C library.
[ -e /usr/include/stdlib.h ] || packages+=(libc6-dev)
if [ ${#packages[@]} -eq 0 ]; then
	exit 0
fi

echo "tests need packages that are missing: ${packages[*]}"
if ! command -v apt-get > /dev/null; then
	echo "this is no Debian system: install them by hand, then run make test again" >&2
	exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo > /dev/null; then
		echo "run as root: apt-get install ${packages[*]}" >&2
		exit 1
	fi
	as_root=(sudo)
fi
# policy-rc.d keeps the packages from starting services; one that stands there
# already is left alone, and the services are stopped below in any case.
policy=/usr/sbin/policy-rc.d
made_policy=no
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" > /dev/null
	"${as_root[@]}" chmod 0755 "$policy"
	made_policy=yes
fi
cleanup() {
	if [ "$made_policy" = yes ]; then
		"${as_root[@]}" rm -f "$policy"
	fi
}
trap cleanup EXIT
"${as_root[@]}" apt-get -q update
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${packages[@]}"

# The tests start servers of their own on ports of their own.
if [ -d /run/systemd/system ]; then
	for package in "${packages[@]}"; do
		case "$package" in
		redis-server) "${as_root[@]}" systemctl disable --now redis-server.service ;;
		prometheus) "${as_root[@]}" systemctl disable --now prometheus.service prometheus-node-exporter.service || true ;;
		esac
	done
fi
echo "installed: ${packages[*]}"
