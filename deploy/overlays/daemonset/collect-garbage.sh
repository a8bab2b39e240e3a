# Removes unused data, oldest first, when the disk of the Docker daemon fills up. Runs with sh, next to the daemon.
# HIGH and LOW are percentages, INTERVAL is in seconds, KEEP is a list of ages.
set -u

# A shell that is process 1 ignores SIGTERM without a trap.
trap 'exit 0' TERM

used() {
  df -P /var/lib/docker | awk 'NR == 2 { sub("%", "", $5); print $5 }'
}

collect() {
  for age in $KEEP; do
    echo "disk $(used) % in use: removing what is not used and older than $age"
    # A failure does not stop the others: an image may have come into use just now.
    docker container prune --force --filter "until=$age"
    docker builder prune --all --force --filter "until=$age"
    docker image prune --all --force --filter "until=$age"
    docker volume prune --force
    docker network prune --force --filter "until=$age"
    if [ "$(used)" -le "$LOW" ]; then
      return
    fi
  done
  echo "disk still $(used) % in use: what is left is in use, or not Docker's" >&2
}

while true; do
  # The daemon may be starting or restarting.
  if timeout 30 docker info > /dev/null 2>&1 && [ "$(used)" -ge "$HIGH" ]; then
    collect
  fi
  sleep "$INTERVAL" &
  wait $!
done
