"""The graph as text, DOT, Mermaid and JSON: whatever names say, they are names."""

from __future__ import annotations

import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway_secrets.graph.model import Dangling, Edge, Graph, Node
from gateway_secrets.graph.render import as_document, as_dot, as_mermaid, as_text

DOT_LABEL = r'label="(?:[^"\\]|\\["\\])*"'
DOT = re.compile(
    rf"digraph secrets {{|  rankdir=LR;|  n\d+ \[shape=\w+, {DOT_LABEL}(, style=dashed, color=red)?\];"
    rf"|  n\d+ -> n\d+( \[{DOT_LABEL}\])?;|}}"
)
WORDS = r"(?:[\w ./,\-:=]|#\d+;)*"
MERMAID = re.compile(
    rf'flowchart LR|  n\d+(\[\("{WORDS}"\)\]|\["{WORDS}"\]|\(\["{WORDS}"\]\)|\[\["{WORDS}"\]\])'
    rf'|  n\d+ -->(\|"{WORDS}"\|)? n\d+|  classDef dangling [\w:#,-]+|  class [n\d,]+ dangling'
)

REMOTE = Node("remote", "web", "path", "team/db", "SecretStore web/vault")
SOURCE = Node("source", "web", "ExternalSecret", "db", group="external-secrets.io")
SECRET = Node("secret", "web", "Secret", "db")
USER = Node("user", "web", "Deployment", "api", group="apps")
OTHER = Node("secret", "web", "Secret", "old")
WHOLE = Graph(
    (REMOTE, SOURCE, SECRET, OTHER, USER),
    (Edge(REMOTE, SOURCE, ("password as password",)), Edge(SOURCE, SECRET), Edge(SECRET, USER, ("volume v",))),
    (Dangling(OTHER, "nothing here uses it"),),
)


def test_text() -> None:
    """A tree from where the values are, then what dangles."""
    assert as_text(WHOLE) == (
        "path team/db (SecretStore web/vault)\n"
        "  -> ExternalSecret web/db  password as password\n"
        "    -> Secret web/db\n"
        "      -> Deployment web/api  volume v\n"
        "Secret web/old\n"
        "\n"
        "dangling:\n"
        "  Secret web/old: nothing here uses it\n"
    )


def test_what_was_shown_is_not_shown_again() -> None:
    """So that the text is no longer than the graph is large."""
    second = Node("remote", "web", "path", "team/z", "SecretStore web/vault")
    both = Graph((REMOTE, second, *WHOLE.nodes[1:]), (*WHOLE.edges, Edge(second, SOURCE, ("all",))))
    assert as_text(both).count("Deployment web/api") == 1
    assert "  -> ExternalSecret web/db  all  (see above)\n" in as_text(both)


def test_json() -> None:
    """Edges by the ids of nodes."""
    document = msgspec.json.decode(msgspec.json.encode(as_document(WHOLE)))
    ids = {node["id"] for node in document["nodes"]}
    assert {edge["from"] for edge in document["edges"]} | {edge["to"] for edge in document["edges"]} <= ids
    assert document["edges"][0] == {
        "from": "path/SecretStore/web/vault/team/db",
        "to": "ExternalSecret.external-secrets.io/web/db",
        "how": ["password as password"],
    }
    assert document["dangling"] == [{"id": "Secret/web/old", "problem": "nothing here uses it"}]


def test_dot_and_mermaid() -> None:
    """What dangles looks different."""
    assert '  n3 [shape=note, label="Secret web/old", style=dashed, color=red];\n' in as_dot(WHOLE)
    assert '  n2 -> n4 [label="volume v"];\n' in as_dot(WHOLE)
    assert '  n0[("path team/db #40;SecretStore web/vault#41;")]\n' in as_mermaid(WHOLE)
    assert as_mermaid(WHOLE).endswith("  class n3 dangling\n")


NAMES = st.text(max_size=20) | st.sampled_from([
    'a"]; b', "a\\", "a\n  n0 -> n1;", "<script>", "#quot;", 'x\\"', "`**a**`", "a|b", "%%{init}%%", "\u202eabc", "\x1b[31m",
])  # fmt: skip


@given(st.lists(NAMES, min_size=5, max_size=5))
def test_no_name_ends_where_it_stands(names: list[str]) -> None:
    """Every line is one of the lines there are, for any names at all, and nothing of them reaches a terminal as control."""
    remote, source = (
        Node("remote", names[0], "path", names[1], names[2]),
        Node("source", names[0], "ExternalSecret", names[3]),
    )
    made = Graph((remote, source), (Edge(remote, source, (names[4],)),), (Dangling(source, names[4]),))
    for line in as_dot(made).removesuffix("\n").split("\n"):
        assert DOT.fullmatch(line)
    for line in as_mermaid(made).removesuffix("\n").split("\n"):
        assert MERMAID.fullmatch(line)
    text = as_text(made)
    assert text.count("\n") == 5
    assert text.replace("\n", "").isprintable()
