"""Keys of annotations and labels. They are part of the contract with users."""

PREFIX = "dind.io/"
INJECT = PREFIX + "inject"
STATUS = PREFIX + "status"
ISOLATION = PREFIX + "isolation"
INJECTED = PREFIX + "injected"
NODE_SOCKET = PREFIX + "node-socket"
