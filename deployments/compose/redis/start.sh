#!/bin/sh
# Starts redis-server with redis.conf and the password of the file beside it.
# Data goes to REDIS_DATA (/data). Further arguments are passed on.
set -eu
cd "$(dirname "$0")"
umask 077
conf="${TMPDIR:-/tmp}/relais-redis.conf"
{
	cat redis.conf
	printf 'requirepass %s\n' "$(cat password)"
} > "$conf"
exec redis-server "$conf" --dir "${REDIS_DATA:-/data}" "$@"
