#!/bin/sh
# Entry point of sqltrail/app. A secret comes as a file (NAME_FILE) and reaches the program as NAME, so that it is
# neither in the image, nor in docker-compose.yml, nor in what `docker inspect` shows.
set -eu

for name in PGPASSWORD POSTGRES_PASSWORD SHOP_OWNER_PASSWORD SHOP_APP_PASSWORD SQLTRAIL_MONITOR_PASSWORD \
  SQLTRAIL_TOKEN ALERT_WEBHOOK_TOKEN; do
  eval "file=\${${name}_FILE:-}"
  [ -n "$file" ] || continue
  if [ ! -r "$file" ]; then
    echo "$name: $file cannot be read. Has the container \`init\` run, and is this one in the file's group (docker/init.sh)?" >&2
    exit 2
  fi
  value=$(cat "$file")
  export "$name=$value"
  unset "${name}_FILE"
done

exec "$@"
