"""The image's steps in a clean folder, its bill of materials, and the GitHub Action's step, each as they are run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from support.charts import ROOT

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: web}
spec:
  hostNetwork: true
  containers: [{name: c, image: nginx}]
"""


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """In the environment of the tests, with these variables."""
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, timeout=600, cwd=cwd,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **environment},
    )  # fmt: skip


@pytest.mark.native
@pytest.mark.timeout(600)
def test_the_steps_of_the_image(tmp_path):
    """They leave an environment in which the main job is done, and neither pip nor what tests or builds."""
    home = tmp_path / "home"
    home.mkdir()
    cache = os.environ.get("GOVGATE_NATIVE_CACHE") or str(Path.home() / ".cache/govgate/native")
    target = tmp_path / "govgate"
    done = run(ROOT / "tools/image/install.sh", target, HOME=str(home), GOVGATE_NATIVE_CACHE=cache)
    assert done.returncode == 0, done.stderr[-2000:]
    demo = run(target / "bin/govgate", "demo", cwd=tmp_path, TMPDIR=str(tmp_path))
    assert demo.returncode == 0, demo.stderr[-2000:]
    assert "edit" in demo.stdout
    installed = {path.name for path in (target / "lib").glob("python*/site-packages/*")}
    assert {"gateway", "webhooks", "policies", "gateway_secrets"} <= installed
    assert not installed & {"pip", "pytest", "hatchling", "tests", "tools"}


def test_the_image_has_what_every_store_needs():
    """What all extras of clouds ask for, in the versions that the tests ran with; all else as an installation without."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = {name for extra in ("aws", "azure", "gcp") for name in extras[extra]}
    assert extras["clouds"] == ["govgate[aws,azure,gcp]"]
    image, plain, tested = (pinned(name) for name in ("clouds", "runtime", "test"))
    assert wanted <= image.keys()
    assert plain.items() <= image.items()
    assert {name: pin for name, pin in image.items() if name not in plain}.items() <= tested.items()


def pinned(name: str) -> dict[str, str]:
    """Versions by package."""
    text = (ROOT / f"requirements/{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[^]]*\])?==([^\s;]+)", text, re.MULTILINE))


def test_the_image_is_made_of_those_steps():
    """The Dockerfile runs the script and nothing else, has nobody's root, and hadolint finds nothing."""
    text = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^RUN (.*)$", text, re.MULTILINE) == ["tools/image/install.sh /opt/govgate clouds"]
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["65532:65532"]
    done = run("hadolint", "Dockerfile")
    assert done.returncode == 0, done.stdout


@pytest.mark.native
def test_bill_of_materials():
    """Every pinned package of the image with its hashes, and every module that the native library is made of."""
    done = run(sys.executable, "tools/sbom.py")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    found = {part["purl"].partition("@")[0]: part for part in document["components"]}
    pins = re.findall(r"^([a-z0-9-]+)(?:\[[^]]*\])?==", (ROOT / "requirements/clouds.txt").read_text(), re.MULTILINE)
    assert {f"pkg:pypi/{pin}" for pin in pins} == {name for name in found if name.startswith("pkg:pypi/")}
    assert all(part["hashes"] for name, part in found.items() if name.startswith("pkg:pypi/"))
    assert "pkg:golang/github.com/open-policy-agent/opa" in found
    (depends,) = [one for one in document["dependencies"] if one["ref"] == "govgate"]
    assert set(depends["dependsOn"]) == {part["bom-ref"] for part in document["components"]}


@pytest.mark.native
def test_the_step_of_the_action(tmp_path):
    """Annotations on standard output, a summary, SARIF, the exit code as an output; inputs are never a script."""
    (tmp_path / "pod.yaml").write_text(POD)
    (tmp_path / "--fix").mkdir()
    summary, output = tmp_path / "summary", tmp_path / "output"
    summary.write_text("before\n")
    done = run(
        ROOT / "tools/action/check.sh", cwd=tmp_path,
        INPUT_PATHS="pod.yaml\n  --fix  \n", INPUT_POLICIES="builtin:pod-security-baseline\n\n",
        INPUT_SARIF_FILE="found.sarif", INPUT_FAIL_ON="deny", INPUT_ARGUMENTS="--namespace\n$(touch injected)",
        GITHUB_STEP_SUMMARY=str(summary), GITHUB_OUTPUT=str(output),
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "::error file=pod.yaml,line=5,title=pod-security/host-namespaces::" in done.stdout
    assert summary.read_text().startswith("before\n### govgate: denied")
    assert output.read_text() == "exit-code=3\n"
    assert json.loads((tmp_path / "found.sarif").read_text())["runs"][0]["results"]
    assert (tmp_path / "pod.yaml").read_text() == POD
    assert not (tmp_path / "injected").exists()
    assert not list(tmp_path.glob("*.govgate"))


def test_the_action_hands_inputs_over_as_variables():
    """No script of it holds an expression: a path with a quote would be a command."""
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    steps = action["runs"]["steps"]
    assert all("${{" not in step.get("run", "") for step in steps)
    (judge,) = [step for step in steps if step.get("id") == "check"]
    handed = {name.removeprefix("INPUT_").lower().replace("_", "-") for name in judge["env"]}
    assert handed == set(action["inputs"])
