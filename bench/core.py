"""The core alone, in one process: how its cost grows with a pod."""

import gc
import json
import statistics
import time

import samples

from app.admission import answer, decode_review, encode_review


def seconds(body: bytes, rounds: int = 200) -> float:
    """Return how long a review takes from bytes to bytes, at the median."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        review = decode_review(body)
        encode_review(review, answer(review, None, samples.POLICY))
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def growth() -> dict[str, dict[str, float]]:
    """Return seconds by number of containers, and by bytes of managedFields in a pod of two."""
    gc.freeze()
    gc.disable()  # as the server has it within a request
    by_containers = {str(count): seconds(samples.encode(samples.pod(count))) for count in (1, 10, 100, 250, 500)}
    by_fields = {}
    for entries in (0, 40, 400):
        pod = samples.pod(2)
        names = {f"f:label-{number}": {} for number in range(entries)}
        pod["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:labels"] = names
        body = samples.encode(pod)
        by_fields[str(len(body))] = seconds(body)
    return {"containers": by_containers, "managed_fields": by_fields}


if __name__ == "__main__":
    print(json.dumps(growth()))
