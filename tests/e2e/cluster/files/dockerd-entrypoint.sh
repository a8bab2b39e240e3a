#!/bin/sh
# dockerd-entrypoint.sh: replaces the entrypoint of docker:*-dind, with the same effects on arguments and container.
set -eu

case ${1:--} in
  -*)
    # Only flags, or no arguments: start a daemon for other containers, with a TCP port.
    if [ -n "${DOCKER_TLS_CERTDIR:-}" ]; then
      echo "this entrypoint makes no TLS keys: begin the arguments with dockerd, or set DOCKER_TLS_CERTDIR to ''" >&2
      exit 1
    fi
    set -- dockerd "--host=${DOCKER_HOST:-unix:///var/run/docker.sock}" --host=tcp://0.0.0.0:2375 "$@"
    ;;
  dockerd) ;;
  *) exec docker-entrypoint.sh "$@" ;;
esac

# A killed daemon leaves its pid file, with which the next daemon does not start.
find /run /var/run -iname 'docker*.pid' -exec rm -f {} + || true

legacy=/usr/local/sbin/.iptables-legacy
works() { "$1" -nL > /dev/null 2>&1; }
# Return whether legacy rules exist: rules of both kinds conflict.
has_legacy_rules() {
  for names in /proc/net/ip_tables_names /proc/net/ip6_tables_names /proc/net/arp_tables_names; do
    if [ -n "$(cat "$names" 2> /dev/null)" ]; then return 0; fi
  done
  return 1
}
if [ -n "${DOCKER_IPTABLES_LEGACY+stated}" ]; then
  if [ -n "$DOCKER_IPTABLES_LEGACY" ]; then PATH=$legacy:$PATH; fi
elif has_legacy_rules; then
  PATH=$legacy:$PATH
elif ! works iptables && works "$legacy/iptables"; then
  PATH=$legacy:$PATH
fi
export PATH
iptables --version

# The first process reaps processes that containers leave behind.
exec docker-init -- dind "$@"
