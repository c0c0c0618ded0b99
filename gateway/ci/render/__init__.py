"""Folders that stand for other manifests than they hold: kustomizations and Helm charts, rendered by their own tools."""

from gateway.ci.render.folders import Folder, Folders, folders_below
from gateway.ci.render.programs import Rendered, Renderer

__all__ = ["Folder", "Folders", "Rendered", "Renderer", "folders_below"]
