"""Values that the chart refuses, at `helm template`, each in words that help."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.charts import CHART, ROOT, RefusedError, of_kind, rendered

from gateway.config import load_config
from policies.sources import builtin_sets

pytestmark = pytest.mark.servers
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
EXTERNAL = "config.controller.external"
DRIFT = "config.drift"
WINDOW = (
    f"{DRIFT}.windows[0].name=a,{DRIFT}.windows[0].durationMinutes=5,{DRIFT}.windows[0].mode=warn,{DRIFT}.windows[0]"
)
WRITER = f"{DRIFT}.writers[0].name=a,{DRIFT}.writers[0].actors.users={{a}},{DRIFT}.writers[0]"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ("webhook.failurePolicy=Maybe", r"/webhook/failurePolicy.*'Fail', 'Ignore'"),
        ("webhook.failurePolicyOf.drfit=Fail", "'drfit' not allowed"),
        ("config.drfit.mode=shadow", "'drfit' not allowed"),
        ("config.drift.fluxKustomization.mode=foo", r"/config/drift/fluxKustomization/mode.*'shadow'"),
        ("config.breakGlass.maxMinutes=-1", "/config/breakGlass/maxMinutes.*got -1, want 1"),
        ("config.policy.opa.urll=x", "/config/policy/opa'.*'urll' not allowed"),
        ("config.secrets.detect=off", "/config/secrets/detect.*in quotes: YAML takes a bare off for false"),
        ("webhook.replicas=0", "/webhook/replicas"),
        ("webhook.excludedGroups={apps}", "/webhook/excludedGroups"),
        ("webhook.excludedGroups={govgate.dev}", "/webhook/excludedGroups"),
        ("image.digest=latest", "/image/digest"),
        ("rbac.scanGroups={*}", "/rbac/scanGroups"),
        ("webhook=null", "missing property 'webhook'"),
        ("controller.enabled=false", "built-in certificates are made by the controller"),
        (f"tls.mode=cert-manager,controller.enabled=false,{EXTERNAL}.namespaces={{a}}", "nobody else does"),
        ("tls.mode=existing", "name the Secret that holds tls.crt and tls.key"),
        ("tls.mode=existing,tls.existing.secretName=a", "give the authority in PEM"),
        ("tls.certManager.duration=90d", "write hours"),
        ("webhook.persistence.enabled=false,config.audit.mode=durable", "needs a volume"),
        ("config.cluster.connect=none", "config.cluster: the chart sets this itself"),
        ("config.server.port=1", "config.server.port: the chart sets this itself: use webhook.port"),
        ("config.server.port=0", "config.server.port: the chart sets this itself: use webhook.port"),
        ("config.audit.stateDir=", "config.audit.stateDir: the chart sets this itself"),
        ("config.server.registration.file=/a", "registration.file: .* itself: .*webhook.register"),
        ("config.server.registration.service=a", "registration.service: .* itself: .*fullnameOverride"),
        (
            "config.server.registration.restore=never",
            "registration.restore: .* itself: use webhook.restoreRegistration",
        ),
        ("config.controller.certificates.enabled=false", "certificates.enabled: .* itself: use tls.mode"),
        ("config.controller.certificates.secretName=a", "certificates.secretName: .* itself: .*fullnameOverride"),
        ("config.controller.certificates.serviceName=a", "certificates.serviceName: .* itself: .*fullnameOverride"),
        ("tls.mode=cert-manager,config.controller.certificates.secretName=a", "certificates.secretName: .* itself"),
        ("config.controller.certificates.webhookConfigurations={a}", "Configurations: .* itself: use webhook.register"),
        ("webhook.register=false,webhook.restoreRegistration=always", "webhook.restoreRegistration: .*use never"),
        ("opa.enabled=true", "nobody asks it"),
        ("config.policy.engine=opa", "name the OPA server"),
        ("config.controller.election.enabled=false", "set controller.replicas to 1"),
        (f"{EXTERNAL}.enabled=true,{EXTERNAL}.shards=3", "controller.replicas.*set 3"),
        (f"{EXTERNAL}.enabled=true,{EXTERNAL}.intake.enabled=true", "name the file with the token"),
        ("config.policy.inventory={v1/Secret}", "the right to read every Secret"),
        ("config.controller.sealed.namespaces={web}", "rbac.secrets.write: .* names web"),
        ("config.controller.sealed.namespaces={web-*}", "web-\\* is a pattern.*rbac.extraControllerRules"),
        (
            "config.controller.sealed.keyNamespace=keys,config.controller.sealed.endpoints.enabled=true",
            "rbac.secrets.write: .*keyNamespace is keys",
        ),
        (
            "controller.enabled=false,tls.mode=cert-manager,config.controller.sealed.endpoints.enabled=true",
            "controller.enabled: nobody else does",
        ),
        ("webhok.replicas=3", "'webhok' not allowed"),
        ("webhook.shipLog.enable=true", "/webhook/shipLog'.*'enable' not allowed"),
        ("webhook.resources.limit.memory=1Gi", "/webhook/resources'.*'limit' not allowed"),
        ("webhook.resources.limits.memory=128Mi", "limits.memory: 128Mi is less than what requests asks for: 256Mi"),
        ("controller.resources.limits.cpu=99m", "controller.resources.limits.cpu: 99m is less .*: 100m"),
        (r"webhook.podLabels.app\.kubernetes\.io/name=a", "webhook.podLabels: .* itself: use nameOverride"),
        (r"controller.podLabels.helm\.sh/chart=a", "controller.podLabels: the chart sets helm.sh/chart itself"),
        ("webhook.extraEnv[0].nam=x", "/webhook/extraEnv/0'.*'name'"),
        ("controller.extraEnv[0].name=GOVGATE_CONFIG", "controller.extraEnv: GOVGATE_CONFIG is there already"),
        ("webhook.extraVolumes[0].name=tls", "webhook.extraVolumes: tls is there already"),
        ("webhook.extraContainers[0].name=log,webhook.shipLog.enabled=true", "extraContainers: log is there already"),
        ("webhook.priorityClassName=High_Prio", "/webhook/priorityClassName"),
        ("serviceAccount.webhook=Not_A_Name", "/serviceAccount/webhook"),
        ("image.repository=Foo/Bar", "/image/repository"),
        ("image.tag=a b", "/image/tag"),
        ("imagePullSecrets[0].nam=pull", "/imagePullSecrets/0'.*'name'"),
        ("rbac.scanGroups={Apps}", "/rbac/scanGroups/0"),
        ("rbac.secrets.read[0].namespace=web,rbac.secrets.read[0].names={}", "/rbac/secrets/read/0/names/0"),
        ("rbac.extraControllerRules[0].apigroups={a}", "/rbac/extraControllerRules/0'.*'apigroups' not allowed"),
        ("networkPolicy.egress[0].too=x", "/networkPolicy/egress/0'.*'too' not allowed"),
        ("networkPolicy.webhookFrom[0].ipBlock.cidr=10.0.0.0/33", "/networkPolicy/webhookFrom/0/ipBlock/cidr"),
        ("tls.existing.secretName=a", "tls.existing: is not used with tls.mode built-in"),
        ("tls.certManager.issuerRef.name=a", "tls.certManager.issuerRef: is not used with tls.mode built-in"),
        ("tls.mode=cert-manager,tls.certManager.issuerRef.kind=A", "tls.certManager.issuerRef.name: name the issuer"),
        ("tls.mode=cert-manager,tls.certManager.duration=30m", "duration: 30m is too short"),
        ("tls.mode=existing,tls.existing.secretName=a,tls.existing.ca=a", "tls.existing.ca: is no certificate in PEM"),
        ("config.controller.election.renewSeconds=15", "config.controller.election: .* are 2, 15 and 15"),
        ("config.controller.certificates.renewDays=90", "certificates.renewDays: must be below validDays"),
        (f"{EXTERNAL}.shard=1", "config.controller.external.shard: is counted from 0"),
        ("config.policy.sources={builtin:gitop}", "config.policy.sources: there is no builtin:gitop"),
        ("config.policy.opa.url=ftp://x", "config.policy.opa.url"),
        (
            "config.policy.opa.url=http://x,config.policy.opa.caFile=/a",
            "config.policy.opa.url: certificates need https",
        ),
        ("config.policy.opa.url=http://x,config.policy.opa.tokenFile=/a", "config.policy.opa.tokenFile"),
        (f"{WINDOW}.schedule=daily", r"config.drift.windows\[0\].schedule: .daily. is no cron expression"),
        (f"{WRITER}.operations={{UPDATE}}", r"config.drift.writers\[0\].fields: name at least one field"),
        (f"{WRITER}.fields={{spec}},{WRITER}.operations={{DELETE}}", r"config.drift.writers\[0\].operations"),
        ("webhook.healthPort=8443", "must differ from webhook.port"),
        ("fullnameOverride=Bad_Name", '"Bad_Name" is no name of a Service'),
        ("webhook.resources.limits.memory=1GiB", '"1GiB" is no quantity: write'),
    ],
)
def test_a_broken_value_is_named(values: str, says: str, tmp_path: Path) -> None:
    """By its path or by what to do."""
    options = ("--set", values)
    if values.endswith("=off"):  # --set knows the words true and false alone
        path, file = values.removesuffix("=off").split("."), tmp_path / "values.yaml"
        file.write_text("".join(f"{'  ' * depth}{name}:\n" for depth, name in enumerate(path)).rstrip() + " off\n")
        options = ("--values", str(file))
    with pytest.raises(RefusedError, match=says):
        rendered(*options)


def test_built_in_sets_are_known_by_name() -> None:
    """Those that the chart takes are those that there are."""
    sets = ",".join(f"builtin:{name}" for name in ("all", *builtin_sets()))
    rendered("--set", f"config.policy.sources={{{sets},cluster:gatekeeper,/rules,oci://registry.example/rules}}")
    helper = (CHART / "templates/_checks.tpl").read_text()
    listed = re.search(r'"govgate.builtinSets" -}}\n(.*)\n', helper)
    assert listed is not None
    assert listed[1].split() == sorted({"all", *builtin_sets()})


def test_a_list_that_is_empty_is_said_too() -> None:
    """What the chart sets is refused whatever is said of it: an empty list would be written over, too."""
    with pytest.raises(RefusedError, match="webhookConfigurations: the chart sets this itself"):
        rendered("--set-json", "config.controller.certificates.webhookConfigurations=[]")


def test_a_registration_of_ones_own_can_be_watched(tmp_path: Path) -> None:
    """Where the chart registers nothing it sets none of its names either."""
    own = {"name": "mine", "file": "/etc/mine/registration.yaml", "service": "other"}
    objects = rendered("--set", "webhook.register=false", "--set-json", f"config.server.registration={json.dumps(own)}")
    text = of_kind(objects, "ConfigMap", "govgate")["data"]["config.yaml"]
    (file := tmp_path / "config.yaml").write_text(text)
    watched = load_config(file).config.server.registration
    assert (watched.name, watched.file, watched.service, watched.restore) == (*own.values(), "never")


def test_what_is_made_is_as_it_would_be_made() -> None:
    """The schema is that of the configuration's model, the table in README.md that of values.yaml."""
    program = f"""
import json, sys
sys.path.insert(0, {str(ROOT / "tools")!r})
import chart_files
print(json.dumps({{str(path): text for path, text in chart_files.files().items()}}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    made = json.loads(done.stdout)
    assert {Path(path).name for path in made} == {"values.schema.json", "README.md"}
    for path, text in made.items():
        assert Path(path).read_text() == text, "run tools/chart_files.py"
    for path in dict(leaves(VALUES, SCHEMA)):
        assert f"`{'.'.join(path)}" in (CHART / "README.md").read_text()


def test_what_is_set_to_null_is_missed_or_makes_no_difference() -> None:
    """Whatever has a default that is not empty is demanded; the others, all of them set to null, are as if left away."""
    found = dict(leaves(VALUES, SCHEMA))
    empty = [path for path, value in found.items() if value in ("", [], {})]
    assert ("webhook", "persistence", "enabled") in found
    assert demanded(SCHEMA) >= found.keys() - set(empty)
    options = [part for path in empty if path != ("config",) for part in ("--set", f"{'.'.join(path)}=null")]
    assert len(options) > 20
    assert rendered(*options) == rendered()


def leaves(values: Any, schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value of the chart with its path; what users name themselves (requests and limits) is one value."""
    properties = schema.get("properties")
    if not isinstance(values, dict) or not properties or path[-1:] == ("resources",):
        yield path, values
        return
    for name, value in values.items():
        yield from leaves(value, properties.get(name, {}), (*path, name)) if value != {} else [((*path, name), value)]


def demanded(schema: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Paths that the schema demands, as far as all above them are demanded, too."""
    found = set()
    for name in schema.get("required", ()):
        here = (*path, name)
        found.add(here)
        found |= demanded(schema.get("properties", {}).get(name, {}), here)
    return found
