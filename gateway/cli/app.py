"""The ``govgate`` command: its table of commands, and the one place where errors become exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import cyclopts

from gateway import __version__
from gateway.cli import exits
from gateway.core.errors import GovgateError, UsageError

app = cyclopts.App(
    name="govgate",
    help="Policy and secrets governance gateway for Kubernetes run by GitOps.",
    version=__version__,
    help_format="plaintext",
)

# Commands are imported when they are called: `govgate serve` must be ready in a second.
_COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("gateway.cli.serve:serve", "Answer admission reviews: the webhook server."),
    "controller": ("gateway.cli.controller:controller", "Work on a cluster beside its admission: the background scan."),
    "webhook-config": ("gateway.cli.webhook_config:webhook_config", "Print the registration of the webhook."),
    "check": ("gateway.cli.check:check", "Judge manifests: files, folders, standard input."),
    "scan": ("gateway.cli.scan:scan", "Judge the objects that a cluster holds."),
    "review": ("gateway.cli.review:review", "Judge recorded AdmissionReviews offline."),
    "break-glass": (
        "gateway.cli.break_glass:break_glass_app",
        "Changes that cannot wait for Git: request, approve, list, revoke.",
    ),
    "policy": ("gateway.cli.policy_run:policy_app", "The rules in force: list, show, test, eval, waivers."),
    "seal": ("gateway.cli.seal:seal_app", "Secret in, SealedSecret out; validate, reencrypt, recover."),
    "detect": ("gateway.cli.detect:detect", "Find credentials in plain text: manifests, and any other file."),
    "sops": ("gateway.cli.sops:sops_app", "SOPS files: encrypt, decrypt, edit, rotate, verify, lint, updatekeys."),
    "verify-blob": ("gateway.cli.verify_blob:verify_blob", "Verify a file's Sigstore bundle, offline."),
    "verify": ("gateway.cli.verify:verify", "Verify the signatures of an OCI artifact."),
    "replay": ("gateway.cli.replay:replay", "Judge recorded requests by other rules: what would change."),
    "audit": ("gateway.cli.audit:audit_app", "The decision log: verify, query, tail, export, keys."),
    "secrets": ("gateway.cli.secrets:secrets_app", "Secrets in stores: get one by its reference, put one."),
    "config": ("gateway.cli.config:config_app", "The configuration: validate, schema, show."),
    "doctor": ("gateway.cli.doctor:doctor", "What is wrong or dangerous in this installation."),
    "demo": ("gateway.cli.demo:demo", "See the main job end to end, without a cluster."),
}

for _name, (_target, _help) in _COMMANDS.items():
    app.command(_target, name=_name, help=_help)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and leave the process with its exit code."""
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    """Run one command; every error becomes one line on stderr and an exit code (``--debug`` shows where it arose)."""
    words = [word for word in argv if word != "--debug"]
    debug = len(words) != len(argv)
    try:
        result = app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except (cyclopts.CycloptsError, UsageError) as error:
        return _fail(error, exits.USAGE, debug=debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.FAILED
    except KeyboardInterrupt:
        return 130
    except (GovgateError, OSError) as error:
        return _fail(error, exits.FAILED, debug=debug)
    except Exception as error:  # noqa: BLE001 - the boundary: a bug is one line too, and --debug shows it
        return _fail(error, exits.FAILED, debug=debug, bug=True)
    return result if isinstance(result, int) else exits.CLEAN


def _fail(error: BaseException, code: int, *, debug: bool, bug: bool = False) -> int:
    if debug:
        traceback.print_exception(error)
    text = " ".join(_words(error).split()) or type(error).__name__
    if bug:
        text = f"internal error: {type(error).__name__}: {text} (please report it; --debug shows where)"
    sys.stderr.write(f"govgate: {text}\n")
    return code


def _words(error: BaseException) -> str:
    """What the error says; the system's own say which file first, as a person would, and no number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return str(error)
