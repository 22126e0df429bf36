#!/usr/bin/env bash
# Stand-in for the entry point of the postgres image: see build.sh. Keeps the conventions that docker-compose.yml
# relies on: PGDATA under /var/lib/postgresql, POSTGRES_PASSWORD_FILE, POSTGRES_DB, POSTGRES_INITDB_ARGS, a server
# on the socket only while /docker-entrypoint-initdb.d runs, then the real one. Runs as the user it is given.
set -euo pipefail
[ "$(id -u)" -ne 0 ] || { echo "this stand-in does not start as root" >&2; exit 1; }
export POSTGRES_USER=${POSTGRES_USER:-postgres} POSTGRES_DB=${POSTGRES_DB:-postgres}
if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
  POSTGRES_PASSWORD=$(<"$POSTGRES_PASSWORD_FILE")
  export POSTGRES_PASSWORD
fi
socket=/var/run/postgresql

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  [ -n "${POSTGRES_PASSWORD:-}" ] || { echo "POSTGRES_PASSWORD is not set" >&2; exit 1; }
  mkdir -p "$PGDATA"
  chmod 0700 "$PGDATA"
  # shellcheck disable=SC2086 # the arguments are words
  initdb -D "$PGDATA" --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") ${POSTGRES_INITDB_ARGS:-}
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  # The first word of "$@" is `postgres`.
  pg_ctl -D "$PGDATA" -w -o "$(printf '%q ' "${@:2}") -c listen_addresses='' -c unix_socket_directories=$socket" start
  sql=(psql --host="$socket" --username="$POSTGRES_USER" --no-psqlrc --set=ON_ERROR_STOP=1)
  [ "$POSTGRES_DB" = postgres ] || "${sql[@]}" --dbname=postgres --command="CREATE DATABASE \"$POSTGRES_DB\""
  for file in /docker-entrypoint-initdb.d/*; do
    case "$file" in
      *.sh) bash "$file" ;;
      *.sql) "${sql[@]}" --dbname="$POSTGRES_DB" --file="$file" ;;
    esac
  done
  pg_ctl -D "$PGDATA" -m fast -w stop
fi
exec "$@" -c "listen_addresses=*" -c "unix_socket_directories=$socket"
