"""The core alone, in one process: how its cost grows with a pod."""

import gc
import json
import statistics
import time
from collections.abc import Mapping

import samples

from app.admission import answer, decode_review, encode_review


def seconds(bodies: Mapping[str, bytes], rounds: int = 200) -> dict[str, float]:
    """Return how long each review takes from bytes to bytes, at the median; they alternate, as the machine's mood does."""
    taken: dict[str, list[float]] = {name: [] for name in bodies}
    for _ in range(rounds):
        for name, body in bodies.items():
            answered(body)  # caches forget what the larger one before left in them
            started = time.perf_counter()
            answered(body)
            taken[name].append(time.perf_counter() - started)
    return {name: statistics.median(found) for name, found in taken.items()}


def answered(body: bytes) -> bytes:
    """Return the answer to a review, which is forgotten then: that takes its time too."""
    review = decode_review(body)
    return encode_review(review, answer(review, None, samples.POLICY))


def growth() -> dict[str, dict[str, float]]:
    """Return seconds by number of containers, and by bytes of managedFields in a pod of two."""
    gc.freeze()
    gc.disable()  # as the server has it within a request
    by_containers = {str(count): samples.encode(samples.pod(count)) for count in (1, 10, 100, 250, 500)}
    by_fields = {}
    for entries in (0, 40, 400):
        pod = samples.pod(2)
        names = {f"f:label-{number}": {} for number in range(entries)}
        pod["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:labels"] = names
        body = samples.encode(pod)
        by_fields[str(len(body))] = body
    return {"containers": seconds(by_containers), "managed_fields": seconds(by_fields)}


if __name__ == "__main__":
    print(json.dumps(growth()))
