#!/bin/bash
# Lets GnuPG find a desk's key by its address alone, over HTTPS on port 443 with
# the advanced and then the direct method, as mail programs do. It runs in name
# spaces of its own, so it changes nothing on the machine. Needs root, gpg with
# dirmngr, openssl, curl, iproute2, python3 and a relais to test (default bin/relais).
set -euo pipefail
relais="$(realpath "${1:-$(dirname "$0")/../bin/relais}")"
if [ -z "${RELAIS_WKD_INSIDE:-}" ]; then
	RELAIS_WKD_INSIDE=1 exec unshare --mount --net "$0" "$relais"
fi

work="$(mktemp -d)"
gateway= dns=
finish() {
	for pid in $gateway $dns; do kill "$pid" 2> /dev/null || true; done
	for home in "$work"/gnupg-*; do GNUPGHOME="$home" gpgconf --kill all 2> /dev/null || true; done
	umount /etc/hosts /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt 2> /dev/null || true
	rm -rf "$work"
}
trap finish EXIT
cd "$work"
address=cp247@alphaland.example
ip link set lo up

# A machine that is both openpgpkey.alphaland.example and alphaland.example, and
# trusts the authority that says so.
"$relais" init desk --high-ports > /dev/null
new="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
# shellcheck disable=SC2086
openssl req -x509 $new -days 2 -keyout ca-key.pem -out ca.pem -subj /CN=Rehearsal -addext basicConstraints=critical,CA:TRUE 2> /dev/null
# shellcheck disable=SC2086
openssl req $new -keyout desk/tls/key.pem -out request.pem -subj /CN=openpgpkey.alphaland.example 2> /dev/null
printf 'subjectAltName=DNS:openpgpkey.alphaland.example,DNS:alphaland.example\nextendedKeyUsage=serverAuth\n' > extensions
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -out desk/tls/cert.pem -extfile extensions 2> /dev/null
chmod 600 desk/tls/key.pem
sed -i 's/^listen:/listen:\n  wkd: 127.0.0.1:443/' desk/relais.yaml
cat /etc/ssl/certs/ca-certificates.crt ca.pem > bundle.crt
mount --bind bundle.crt /etc/ssl/certs/ca-certificates.crt
printf '127.0.0.1 localhost alphaland.example openpgpkey.alphaland.example\n' > hosts-advanced
printf '127.0.0.1 localhost alphaland.example\n' > hosts-direct
# dirmngr asks the DNS for SRV records, too: it is told that there are none.
python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
while True:
    q, peer = s.recvfrom(4096)
    end = q.index(0, 12) + 5
    s.sendto(q[:2] + b"\x81\x83\x00\x01" + bytes(6) + q[12:end], peer)
' &
dns=$!
echo 'nameserver 127.0.0.1' > resolv.conf
mount --bind resolv.conf /etc/resolv.conf

"$relais" serve --config desk/relais.yaml 2> log &
gateway=$!
curl --silent --retry 50 --retry-connrefused --retry-delay 1 --fail --resolve alphaland.example:443:127.0.0.1 \
	https://alphaland.example/.well-known/openpgpkey/policy || { cat log; exit 1; }

for method in advanced direct; do
	mount --bind "hosts-$method" /etc/hosts
	export GNUPGHOME="$work/gnupg-$method"
	mkdir -m 700 "$GNUPGHOME"
	echo standard-resolver > "$GNUPGHOME/dirmngr.conf" # asks /etc/hosts, too
	timeout 60 gpg --batch --quiet --auto-key-locate clear,nodefault,wkd --locate-keys "$address" > found 2> gpg.log || { cat gpg.log log; exit 1; }
	grep -q "<$address>" found
	fingerprint="$(gpg --batch --with-colons --list-keys "$address" | awk -F: '$1 == "fpr" { print $10; exit }')"
	gpg --batch --with-colons --show-keys desk/keys/XA-1-public.asc | grep -q "$fingerprint"
	umount /etc/hosts
	echo "$method: gpg found $fingerprint for $address"
done
