"""One typed configuration: its model, how it is read and checked, and how it is shown."""

from gateway.config.load import LoadedConfig, load_config
from gateway.config.model import Config

__all__ = ["Config", "LoadedConfig", "load_config"]
