"""``govgate detect``: how fast it looks at texts and at YAML, and how much of a labelled set it finds."""

from __future__ import annotations

import os
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from support.labelled_set import PARTS, Sample, read_part, score

from bench import templates
from bench.environment import Row
from gateway.ci.inputs import Content
from gateway.ci.looking import look

BATCH = 256
PODS = 3_000
ROUNDS = 3


def measure(_folder: Path) -> dict[str, Any]:
    """MB per second of processor time, all threads counted; precision and recall of both parts of the set.

    ``yaml_pods``: ordinary manifests; ``yaml_read``: such as the quick look does not pass over; ``yaml_with_secrets``:
    the labelled set's, with a finding every few lines.
    """
    texts = _standard_library()
    logs = [Content(f"{number}.log", _log(number)) for number in range(40)]
    pods = [Content(f"{number}.yaml", _yaml(templates.pod(number))) for number in range(PODS)]
    read = [Content(f"{number}.yaml", _yaml(_with_reference(number))) for number in range(PODS)]
    mixed = [Content(f"{number}.yaml", sample.text.encode()) for number in range(100) for sample in _manifests()]
    found: dict[str, Any] = {
        "text_mb_per_s": _rate(texts),
        "text_bytes": sum(len(one.data) for one in texts),
        "logs_mb_per_s": _rate(logs),
        "yaml_pods_mb_per_s": _rate(pods),
        "yaml_read_mb_per_s": _rate(read),
        "yaml_with_secrets_mb_per_s": _rate(mixed),
    }
    for part in PARTS:
        samples = read_part(part)
        looked = look([Content(sample.path, sample.text.encode()) for sample in samples])
        places = [(s.path, place.line) for s, one in zip(samples, looked, strict=True) for place in one.places]
        result = score(samples, places)
        found[part] = {
            "labels": sum(label.must for sample in samples for label in sample.labels),
            "precision": round(result.precision, 3),
            "recall": round(result.recall, 3),
        }
    return found


def rows(found: dict[str, Any]) -> list[Row]:
    """What to print, beside the goals."""
    return [
        ("detect, plain text", f"{found['text_mb_per_s']} MB/s", "≥ 50 MB/s"),
        ("detect, logs", f"{found['logs_mb_per_s']} MB/s", ""),
        ("detect, ordinary manifests", f"{found['yaml_pods_mb_per_s']} MB/s", "≥ 8 MB/s"),
        ("detect, manifests that have to be read", f"{found['yaml_read_mb_per_s']} MB/s", "≥ 8 MB/s"),
        ("detect, manifests full of credentials", f"{found['yaml_with_secrets_mb_per_s']} MB/s", ""),
        *(
            (f"labelled set, {part}", f"precision {found[part]['precision']}, recall {found[part]['recall']}", "")
            for part in PARTS
        ),
    ]


def _rate(contents: Sequence[Content]) -> float:
    """The best of some rounds: the machine is shared."""
    size = sum(len(one.data) for one in contents)
    best = min(_seconds(contents) for _ in range(ROUNDS))
    return round(size / 1e6 / best, 1)


def _seconds(contents: Sequence[Content]) -> float:
    started = time.process_time()
    for at in range(0, len(contents), BATCH):
        look(contents[at : at + BATCH])
    return time.process_time() - started


def _standard_library() -> list[Content]:
    """Python's own sources as plain text: 30 MB that everybody has, in prose's style, which quotes nothing."""
    folder = Path(sysconfig.get_path("stdlib"))
    found = []
    for directory, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "site-packages")
        for name in sorted(names):
            if name.endswith(".py"):
                path = Path(directory, name)
                found.append(Content(f"{path}.txt", path.read_bytes()))
    return found


def _with_reference(number: int) -> dict[str, Any]:
    """A Pod that has to be read, for a name in it tells, and holds nothing."""
    pod = templates.pod(number)
    pod["spec"]["containers"][0]["env"].append({"name": "DB_PASSWORD", "value": "$(OTHER_PASSWORD)"})
    return pod


def _manifests() -> list[Sample]:
    return [sample for sample in read_part("tuned") if sample.path.startswith("kubernetes/")]


def _yaml(document: dict[str, Any]) -> bytes:
    text: str = yaml.dump(document, Dumper=yaml.CSafeDumper)
    return text.encode()


def _log(number: int) -> bytes:
    lines = []
    for line in range(5_000):
        at = number * 5_000 + line
        lines.append(
            f"2026-10-01T10:{at // 60 % 60:02}:{at % 60:02}Z INFO request id={at * 2654435761 % 2**64:016x} path=/v1/items/{at}"
            f" user=user-{at % 97} status=200 duration={at % 311}ms token_ttl=3600 cache_key=item:{at} bytes={at % 4093}\n"
        )
    return "".join(lines).encode()
