"""Exit codes of the commands; 0 is success."""

# A pod was denied or would be, a check failed, or `serve` cut off requests.
FAILED = 1
# The command could not be carried out, because of its arguments, the settings, a file or the cluster.
ERROR = 2
