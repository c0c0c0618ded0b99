"""The pinned cosign, signing offline into a registry on loopback."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Literal

from support.tools import tool

_NO_SERVICES = {
    "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
    "caUrls": [],
    "oidcUrls": [],
    "rekorTlogUrls": [],
    "tsaUrls": [],
    "rekorTlogConfig": {"selector": "ANY"},
    "tsaConfig": {"selector": "ANY"},
}
Form = Literal["bundle", "legacy"]


class Cosign:
    """One key pair, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._services = folder / "services.json"
        self._services.write_text(json.dumps(_NO_SERVICES))
        self.run("generate-key-pair")
        self.key = folder / "cosign.pub"

    def sign(self, reference: str, form: Form = "bundle") -> None:
        self.run("sign", "--key", "cosign.key", *self._form(form), reference)

    def attest(self, reference: str, predicate_type: str, predicate: object, form: Form = "bundle") -> None:
        (self._folder / "predicate.json").write_text(json.dumps(predicate))
        options = ("--type", predicate_type, "--predicate", "predicate.json")
        self.run("attest", "--key", "cosign.key", *options, *self._form(form), reference)

    def run(self, *arguments: str) -> None:
        environment = {**os.environ, "COSIGN_PASSWORD": "x", "HOME": str(self._folder)}
        done = subprocess.run(
            [tool("cosign"), *arguments],
            cwd=self._folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stderr

    def _form(self, form: Form) -> list[str]:
        shared = ["--allow-http-registry", "-y"]
        if form == "bundle":
            return ["--signing-config", str(self._services), *shared]
        return ["--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false", *shared]
