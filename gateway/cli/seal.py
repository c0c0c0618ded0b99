"""``govgate seal``: Secret in, SealedSecret out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import cyclopts
from cyclopts import Parameter

from gateway.cli import exits
from gateway.cli.parameters import InputPath
from gateway.cli.seal_run import Run, certified, digests_of, given, one_value
from gateway.cli.seal_where import (
    CONTROLLER_NAME,
    CONTROLLER_NAMESPACE,
    Context,
    ControllerName,
    ControllerNamespace,
    Kubeconfig,
    Where,
)
from gateway.core.errors import UsageError
from gateway_secrets.sealed.certificate import now_utc
from gateway_secrets.sealed.inputs import Values
from gateway_secrets.sealed.render import Format
from gateway_secrets.sealed.scope import Scope
from gateway_secrets.sealed.targets import Asked

seal_app = cyclopts.App(
    name="seal", help="Secret in, SealedSecret out; validate, reencrypt, recover.", help_format="plaintext"
)
for _name, _target, _help in (
    ("validate", "gateway.cli.seal_validate:validate", "Check SealedSecrets: offline, with keys, or by a controller."),
    ("reencrypt", "gateway.cli.seal_keys:reencrypt", "Seal again with another certificate; scope and all else stay."),
    ("recover", "gateway.cli.seal_keys:recover", "Open SealedSecrets with private keys."),
    ("backup", "gateway.cli.seal_backup:backup_keys", "Put a controller's keys into an encrypted backup."),
    ("backup-check", "gateway.cli.seal_backup:check_backup", "Say which keys are in no backup, and when the last was."),
    ("fetch-cert", "gateway.cli.seal_keys:fetch_cert", "Print the certificate of a controller."),
):
    seal_app.command(_target, name=_name, help=_help)

_MANY: dict[str, Any] = {"negative": ()}


@seal_app.default
def seal_command(
    *files: InputPath,
    cert: Annotated[tuple[str, ...], Parameter(name=["--cert"], **_MANY)] = (),
    clusters: Path | None = None,
    cluster: Annotated[tuple[str, ...], Parameter(name=["--cluster"], **_MANY)] = (),
    scope: Scope | None = None,
    namespace: Annotated[tuple[str, ...], Parameter(name=["--namespace", "-n"], **_MANY)] = (),
    name: str = "",
    from_literal: Annotated[tuple[str, ...], Parameter(name=["--from-literal"], **_MANY)] = (),
    from_file: Annotated[tuple[str, ...], Parameter(name=["--from-file"], **_MANY)] = (),
    from_env_file: Annotated[tuple[str, ...], Parameter(name=["--from-env-file"], **_MANY)] = (),
    type_: Annotated[str, Parameter(name=["--type"])] = "",
    raw: Annotated[bool, Parameter(negative=())] = False,
    merge_into: str = "",
    write: Annotated[str, Parameter(name=["--write", "-w"])] = "",
    output: Annotated[Format | None, Parameter(name=["--output", "-o"])] = None,
    digest_key: Path | None = None,
    notes: bool = True,
    all_values: Annotated[bool, Parameter(name=["--all"], negative=())] = False,
    keep_renewed: Annotated[bool, Parameter(negative=())] = False,
    allow_empty: Annotated[bool, Parameter(negative=())] = False,
    warn_days: int = 30,
    fail_on: Literal["deny", "warn"] = "deny",
    controller_name: ControllerName = CONTROLLER_NAME,
    controller_namespace: ControllerNamespace = CONTROLLER_NAMESPACE,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> int:
    """Seal Secrets for the clusters whose certificates are given: from files, standard input, or single values.

    What is written is what kubeseal would write, and what Bitnami's controller reads. With --write or --merge-into, only
    values whose plaintext changed are sealed anew: sealing the same again changes no byte.

    Parameters
    ----------
    files
        Files of Secrets in YAML or JSON, several documents and Lists included; - or nothing is standard input.
    cert
        The certificate to seal with: a PEM file or a URL; repeatable, one output per cluster. Else SEALED_SECRETS_CERT,
        else the one of the controller in the cluster that the kubeconfig leads to.
    clusters
        A registry of clusters (clusters.yaml) with their certificates and namespaces.
    cluster
        With --clusters, only this one; repeatable.
    scope
        Where the SealedSecret may be unsealed; else what the Secret's annotations say, else strict.
    namespace
        The namespace of Secrets that name none; repeatable, one output for each.
    name
        The Secret's name.
    from_literal
        KEY=VALUE. Others see it in the list of processes, and the shell in its history: --from-file KEY=- avoids that.
    from_file
        [KEY=]PATH: a file, a folder of files, or - for standard input; repeatable.
    from_env_file
        A file with lines KEY=VALUE; repeatable.
    type_
        The Secret's type, where it states none.
    raw
        Seal one value, given by --from-literal, --from-file or standard input, and print nothing else.
    merge_into
        Put the values into the SealedSecret that this file holds; its comments, order and scope stay.
    write
        The file to write, which may hold {cluster}, {namespace} and {name}; else standard output.
    output
        yaml, or json; else by the file's name, else yaml.
    digest_key
        The key that tells changed values from unchanged ones; else GOVGATE_SEAL_KEY, else one in your configuration
        folder, which is made when it is first needed.
    notes
        Write annotations that say which certificate sealed what, and which values are unchanged.
    all_values
        Seal every value anew.
    keep_renewed
        Values sealed with another certificate stay if they did not change: for a cluster whose key was renewed.
    allow_empty
        Seal a Secret that has no values.
    warn_days
        Warn about certificates that expire within so many days.
    fail_on
        With warn, exit code 2 if there was a warning.
    controller_name
        The Service of the cluster's controller; else SEALED_SECRETS_CONTROLLER_NAME.
    controller_namespace
        Its namespace; else SEALED_SECRETS_CONTROLLER_NAMESPACE.
    kubeconfig
        The cluster that is asked; else as kubectl finds it.
    context
        The kubeconfig's context.
    """
    if merge_into and (write or raw):
        raise UsageError("--merge-into is a place to write of its own: leave --write and --raw away")
    asked = Asked(name, namespace, scope, type_, allow_empty)
    values = Values(from_literal, from_file, from_env_file)
    where = Where(kubeconfig, context, controller_name, controller_namespace)
    run = Run(certified(cert, clusters, cluster, where), asked, now_utc(), output)
    warned = run.check(warn_days)
    if raw:
        run.raw(one_value(values, files), write)
    else:
        secrets = given(values, files, asked)
        if notes:
            run.digests = digests_of(digest_key)
        run.notes, run.anew, run.renewed = notes, all_values, keep_renewed
        if merge_into:
            run.merge(secrets, merge_into)
        elif write:
            run.write(secrets, write)
        else:
            run.show(secrets)
    return exits.WARNED if warned and fail_on == "warn" else exits.CLEAN
