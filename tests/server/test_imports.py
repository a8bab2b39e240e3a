"""The modules that `serve` imports: each takes memory and start-up time, and some allow access to a cluster."""

from pathlib import Path

from webhook_process import eventually, run_program

# Modules of the commands that issue certificates, query a cluster or read manifests, and their dependencies
NOT_OF_THE_SERVER = {
    *(
        "dind_webhook.certs",
        "dind_webhook.diagnostics",
        "dind_webhook.kube",
        "dind_webhook.manifests",
        "dind_webhook.playground",
        "dind_webhook.processes.certs",
    ),
    *("cryptography", "jsonpatch", "kubernetes", "urllib3", "websocket"),
}


def test_a_server_that_serves_has_loaded_little_and_nothing_that_only_other_commands_need(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    config, log = tmp_path / "settings.yaml", tmp_path / "log"
    config.write_text("injection: {modes: [sidecar]}\n")
    arguments = ["serve", "--config", config, "--tls-cert-file", pair[0], "--tls-key-file", pair[1]]
    arguments += ["--host", "127.0.0.1", "--port", 0, "--health-port", 0]
    with run_program(arguments, {"PYTHONPROFILEIMPORTTIME": "1"}, log):
        eventually(lambda: '"event":"listening"' in log.read_text())
    lines = [line for line in log.read_text().splitlines() if line.startswith("import time:")]
    loaded = {line.rpartition("|")[2].strip() for line in lines}
    assert "dind_webhook.processes.serve" in loaded
    # FastAPI, uvicorn and prometheus-client have most of them. Each import takes about a millisecond at start-up.
    assert len(loaded) < 820, "what is new among them, and does a server need it?"
    parents = {name: {name, name.split(".")[0], ".".join(name.split(".")[:2])} for name in loaded}
    assert {name for name in loaded if parents[name] & NOT_OF_THE_SERVER} == set()
