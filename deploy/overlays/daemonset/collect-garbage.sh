# Removes what is not used when the disk of the Docker daemon fills up, oldest first. Run by sh, beside the daemon.
# HIGH and LOW are percent, INTERVAL is in seconds, KEEP a list of ages.
set -u

# A shell that is process 1 ignores SIGTERM unless it is told otherwise.
trap 'exit 0' TERM

used() {
  df -P /var/lib/docker | awk 'NR == 2 { sub("%", "", $5); print $5 }'
}

collect() {
  for age in $KEEP; do
    echo "disk $(used) % in use: removing what is not used and older than $age"
    # Each goes on where another failed: an image may be taken into use at this moment.
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
  # The daemon may be starting, or away for a moment.
  if timeout 30 docker info > /dev/null 2>&1 && [ "$(used)" -ge "$HIGH" ]; then
    collect
  fi
  sleep "$INTERVAL" &
  wait $!
done
