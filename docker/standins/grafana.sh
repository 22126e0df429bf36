#!/bin/sh
# Stand-in for Grafana: see build.sh. Fails where the real one would: a secret, the provisioning or a dashboard that
# its user cannot read, a data directory that it cannot write.
set -eu
echo "stand-in for Grafana: shows nothing"
[ -r "$GF_SECURITY_ADMIN_PASSWORD__FILE" ] || { echo "cannot read $GF_SECURITY_ADMIN_PASSWORD__FILE" >&2; exit 1; }
: >/var/lib/grafana/.writable
find "$GF_PATHS_PROVISIONING" -type f | while read -r file; do
  [ -r "$file" ] || { echo "cannot read $file" >&2; exit 1; }
  # What a data source takes from a file: $__file{/run/...}
  grep -o '__file{[^}]*}' "$file" | sed 's/__file{\(.*\)}/\1/' | while read -r secret; do
    cat "$secret" >/dev/null || exit 1
    echo "$file: $secret is readable"
  done
  # Where a dashboard provider looks
  sed -n 's/^ *path: *//p' "$file" | while read -r path; do
    echo "$file: $(find "$path" -name '*.json' | wc -l) dashboards in $path"
  done
done
exec httpd -f -p 3000 -h /www
