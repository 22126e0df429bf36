#!/bin/sh
# Writes what the deployment knows (where Postgres is, the shop's password) to where pgbouncer.ini looks for it, and
# becomes PgBouncer. In the container that place is a tmpfs.
set -eu
umask 077
: "${DB_HOST:?the host of Postgres, for example postgres}" "${PGPASSWORD_FILE:?the file that has the password of shop_app}"
to=${PGBOUNCER_RUN:-/run/pgbouncer}
printf 'shop = host=%s port=%s dbname=shop\n' "$DB_HOST" "${DB_PORT:-5432}" > "$to/databases.ini"
if [ -n "${REPLICA_HOST:-}" ]; then
  printf 'shop_replica = host=%s port=%s dbname=shop\n' "$REPLICA_HOST" "${DB_PORT:-5432}" >> "$to/databases.ini"
fi
printf '"shop_app" "%s"\n' "$(sed 's/"/""/g' "$PGPASSWORD_FILE")" > "$to/userlist.txt"
exec pgbouncer "${PGBOUNCER_INI:-/etc/pgbouncer/pgbouncer.ini}"
