"""Build hook: the package's dependencies are the lines of requirements/runtime.in, stated once."""

from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface


class CustomMetadataHook(MetadataHookInterface):
    """Fills ``project.dependencies``."""

    def update(self, metadata: dict) -> None:
        """Read the unpinned requirements; the pins with hashes are for our own environments."""
        text = (Path(self.root) / "requirements" / "runtime.in").read_text(encoding="utf-8")
        lines = (line.strip() for line in text.splitlines())
        metadata["dependencies"] = [line for line in lines if line and not line.startswith("#")]
