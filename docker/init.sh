#!/bin/sh
# Runs once before every other container of docker-compose.yml, as root without network, and again on each
# `docker compose up`, where it changes nothing that is already there.
#
#   prepare       make the passwords and tokens that do not exist yet, lend the probe, give volumes their owners
#   show NAME     print one secret, for example: docker compose run --rm init show grafana-admin-password
#   list          print the names of the secrets
#
# A secret is a file of the volume `secrets`, readable by one group. Which containers are in which group is said
# by `group_add` in docker-compose.yml, so that each container can read what it needs and nothing else.
set -eu

secrets=/secrets
# name and group, one a line
table='
postgres-password       7001
shop-owner-password     7002
shop-app-password       7003
monitor-password        7004
token                   7005
webhook-token           7006
grafana-admin-password  7007
'

names() {
  echo "$table" | while read -r name _; do [ -z "$name" ] || echo "$name"; done
}

# 24 random bytes, base64url: 32 characters that need no escaping in a URL, in SQL or in YAML.
make_secret() {
  name=$1 group=$2
  [ -s "$secrets/$name" ] && return
  # Written under another name first: a container that is killed here leaves no half password behind.
  head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' >"$secrets/.$name.new"
  [ "$(wc -c <"$secrets/.$name.new")" -eq 32 ] || { echo "could not make $name: no room on the volume?" >&2; exit 1; }
  chmod 0440 "$secrets/.$name.new"
  chown "0:$group" "$secrets/.$name.new"
  mv "$secrets/.$name.new" "$secrets/$name"
  echo "made $name"
}

prepare() {
  umask 077
  chmod 0755 "$secrets"
  echo "$table" | while read -r name group; do
    [ -z "$name" ] || make_secret "$name" "$group"
  done
  # No secret, but Alertmanager reads it from beside its token.
  printf %s http://console:8088/api/alerts/webhook >"$secrets/.console-url.new"
  chmod 0444 "$secrets/.console-url.new"
  mv "$secrets/.console-url.new" "$secrets/console-url"
  # otelcol and Tempo come on images with no shell and no HTTP client: a static busybox, mounted read-only, is
  # what their health checks call (`/probe/busybox wget`), and everybody else's too.
  cp /bin/busybox /probe/busybox.new
  chmod 0755 /probe /probe/busybox.new
  mv /probe/busybox.new /probe/busybox
  # The collector's image has no directory for its queue, so Docker makes the volume root's.
  chmod 0700 /volumes/otelcol-queue 2>/dev/null || true
  chown 10001:10001 /volumes/otelcol-queue
  # What the story and the console write, by the user of sqltrail/app.
  for volume in story findings; do
    [ ! -d "/volumes/$volume" ] || chown 1000:1000 "/volumes/$volume"
  done
}

case "${1:-}" in
  prepare) prepare ;;
  list) names ;;
  show)
    names | grep -qx "${2:-}" || { echo "no secret is called \"${2:-}\"; there are: $(names | tr '\n' ' ')" >&2; exit 2; }
    [ -s "$secrets/$2" ] || { echo "$2 has not been made yet: run docker compose up first" >&2; exit 1; }
    cat "$secrets/$2"
    echo
    ;;
  *) echo "usage: init.sh prepare | show NAME | list" >&2; exit 2 ;;
esac
