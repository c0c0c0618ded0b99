"""What it costs to have a Kubernetes client that is not used."""

from __future__ import annotations

import subprocess
import sys


def test_the_official_client_is_not_imported_without_a_cluster():
    """A gateway that connects to no cluster does not pay for the official client's import."""
    code = (
        "import asyncio, sys\n"
        "from gateway.config.model import Cluster\n"
        "from gateway.kube import connect\n"
        "assert asyncio.run(connect(Cluster(connect='none'))) is None\n"
        "assert asyncio.run(connect(Cluster(), environ={})) is None\n"
        "print('kubernetes' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
