#!/usr/bin/env python3
"""Writes a bill of materials of what the image consists of: CycloneDX 1.6, JSON, on standard output.

    tools/sbom.py > govgate.cdx.json

Python packages are those of requirements/clouds.txt, with the hashes that an installation checks; Go modules are those
that the native library itself states to be made of. The same sources give the same document, but for its serial number and time.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import build as tools
import build_native
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parent.parent
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_MODULE = re.compile(r"^\t(?:dep|=>)\t(\S+)\t(\S+)(?:\t(h1:\S+))?$", re.MULTILINE)


def main() -> int:
    """The command."""
    (version,) = re.findall(r'__version__ = "([^"]+)"', (ROOT / "gateway/__init__.py").read_text(encoding="utf-8"))
    bom = Bom()
    product = Component(
        name="govgate",
        version=version,
        type=ComponentType.APPLICATION,
        purl=PackageURL("pypi", name="govgate", version=version),
        licenses=[DisjunctiveLicense(id="Apache-2.0")],
        bom_ref="govgate",
    )
    bom.metadata.component = product
    parts = [*python_packages((ROOT / "requirements/clouds.txt").read_text(encoding="utf-8")), *go_modules()]
    for part in parts:
        bom.components.add(part)
    bom.register_dependency(product, parts)
    print(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2))
    return 0


def python_packages(pins: str) -> Iterator[Component]:
    """What is pinned, each with the hashes of the files that may be installed."""
    found = list(_PIN.finditer(pins))
    for pin, following in zip(found, [*found[1:], None], strict=True):
        text = pins[pin.end() : following.start() if following else len(pins)]
        name = re.sub(r"[-_.]+", "-", pin[1]).lower()
        yield Component(
            name=name,
            version=pin[2],
            type=ComponentType.LIBRARY,
            purl=PackageURL("pypi", name=name, version=pin[2]),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=value) for value in _HASH.findall(text)],
            bom_ref=f"pypi:{name}",
        )


def go_modules() -> Iterator[Component]:
    """What the native library says of itself."""
    found = build_native.find_go()
    go = found[0] if found else tools.install_go(tools.cache_dir(os.environ))
    said = subprocess.run([go, "version", "-m", build_native.PLACE], capture_output=True, text=True, check=True).stdout
    for module, version, _sum in _MODULE.findall(said):
        namespace, _, name = module.rpartition("/")
        yield Component(
            name=module,
            version=version,
            type=ComponentType.LIBRARY,
            purl=PackageURL("golang", namespace or None, name, version),
            bom_ref=f"golang:{module}",
        )


if __name__ == "__main__":
    sys.exit(main())
