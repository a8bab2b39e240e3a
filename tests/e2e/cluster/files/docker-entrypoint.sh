#!/bin/sh
# docker-entrypoint.sh: replaces the entrypoint of docker:*-cli. It runs docker if the arguments are for docker.
set -eu

case ${1:--} in
  -*) set -- docker "$@" ;;
  *) if docker help "$1" > /dev/null 2>&1; then set -- docker "$@"; fi ;;
esac
exec "$@"
