"""Finding credentials in plain text: in Kubernetes objects, in settings, in any text. Pure: bytes and values in, hits out.

Nothing here returns a value, nor a part of one: a :class:`Hit` says what was found and where.
"""

from gateway_secrets.detect.hit import Hit, Kind
from gateway_secrets.detect.kinds import KINDS
from gateway_secrets.detect.objects import in_object
from gateway_secrets.detect.prefilter import may_hold
from gateway_secrets.detect.styles import Style, style_of
from gateway_secrets.detect.text import in_text
from gateway_secrets.detect.tree import in_document

__all__ = ["KINDS", "Hit", "Kind", "Style", "in_document", "in_object", "in_text", "may_hold", "style_of"]
