"""References to artifacts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.provenance.oci.errors import BadReferenceError
from gateway.provenance.oci.reference import LayoutReference, Reference, parse_any, parse_reference

DIGEST = "sha256:" + "a1" * 32

GOOD = [
    ("ghcr.io/acme/app:1.0", Reference("ghcr.io", "acme/app", "1.0")),
    ("ghcr.io/acme/app", Reference("ghcr.io", "acme/app", "latest")),
    ("oci://ghcr.io/acme/app:1.0", Reference("ghcr.io", "acme/app", "1.0")),
    (f"ghcr.io/acme/app@{DIGEST}", Reference("ghcr.io", "acme/app", digest=DIGEST)),
    (f"ghcr.io/acme/app:1.0@{DIGEST}", Reference("ghcr.io", "acme/app", digest=DIGEST)),
    ("localhost/app:1", Reference("localhost", "app", "1")),
    ("localhost:5000/app", Reference("localhost:5000", "app", "latest")),
    ("[::1]:5000/app:x", Reference("[::1]:5000", "app", "x")),
    ("nginx", Reference("docker.io", "library/nginx", "latest")),
    ("nginx:1.27", Reference("docker.io", "library/nginx", "1.27")),
    ("acme/app:1", Reference("docker.io", "acme/app", "1")),
    ("index.docker.io/nginx", Reference("docker.io", "library/nginx", "latest")),
    ("ghcr.io:443/acme/app:1", Reference("ghcr.io", "acme/app", "1")),
    ("registry-1.docker.io/acme/app:1", Reference("docker.io", "acme/app", "1")),
    ("GHCR.io/acme/app:1", Reference("ghcr.io", "acme/app", "1")),
    ("GHCR.io:443/acme/app:1", Reference("ghcr.io", "acme/app", "1")),
    ("ghcr.io:5000/acme/app:1", Reference("ghcr.io:5000", "acme/app", "1")),
    ("docker.io:443/nginx", Reference("docker.io", "library/nginx", "latest")),
    ("Registry-1.docker.io:443/acme/app", Reference("docker.io", "acme/app", "latest")),
    ("[0:0:0:0:0:0:0:1]:5000/app:x", Reference("[::1]:5000", "app", "x")),
    ("[2001:DB8::0:1]/app:x", Reference("[2001:db8::1]", "app", "x")),
    ("[::ffff:7f00:1]:5000/app:x", Reference("127.0.0.1:5000", "app", "x")),
    ("127.0.0.1:5000/app:x", Reference("127.0.0.1:5000", "app", "x")),
    ("Localhost/app:1", Reference("localhost", "app", "1")),
]
BAD = [
    "", ":", "@", "a@", "ghcr.io/", "ghcr.io/App:1", "ghcr.io/acme//app", "ghcr.io/acme/../app", "ghcr.io/a:b:c",
    "ghcr.io/app@sha256:12", f"ghcr.io/app@{DIGEST.upper()}", f"ghcr.io/app@sha512:{'a' * 128}", "http://ghcr.io/app",
    "ghcr.io/app:" + "t" * 129, "user:pw@ghcr.io/app", "ghcr.io/app?x=1", "ghcr.io/a%2fb", "ghcr .io/app", "a" * 2000,
    "ghcr.io:0443/acme/app:1", "ghcr.io:00443/acme/app", "ghcr.io:05000/a", "ghcr.io:0/a", "ghcr.io:65536/a", "ghcr.io:99999/a",
    "[::1::]:5000/a", "[1:2]/a", "127.1:5000/a", "0x7f.1/a", "127.0.0.0x1:5000/a", "127.000.0.1/a", "1.2.3.4.5/a", "Acme/app",
    "ghcr.io/app:1\n", f"ghcr.io/app@{DIGEST}\n", "ghcr.io/\u0430pp",
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), GOOD)
def test_references_are_read_as_container_tools_do(text: str, expected: Reference) -> None:
    """Docker's short names included; a digest makes a tag meaningless."""
    assert parse_reference(text) == expected


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_reference_is_refused(text: str) -> None:
    """With an error that is ours."""
    with pytest.raises(BadReferenceError):
        parse_reference(text)


@given(st.integers(0, 99999), st.integers(0, 4))
def test_a_registry_has_one_name(port: int, zeros: int) -> None:
    """However its port is written, what is read is reached by that name only."""
    try:
        found = parse_reference(f"GHCR.io:{'0' * zeros}{port}/acme/app")
    except BadReferenceError:
        assert zeros or not 0 < port < 65536
        return
    assert found.registry == ("ghcr.io" if port == 443 else f"ghcr.io:{port}")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("reg.corp:80/a", "reg.corp/a"),
        ("reg.corp/a", "reg.corp/a"),
        ("[::1]:80/a", "[::1]/a"),
        ("reg.corp:8080/a", "reg.corp:8080/a"),
        ("registry:80/a", "registry:80/a"),
        ("docker.io:80/nginx", "docker.io:80/nginx"),
    ],
)
def test_policies_know_a_registry_without_tls_by_one_name(text: str, name: str) -> None:
    """Or whoever writes the port would evade a policy; without it, ``registry`` were a name at Docker Hub."""
    found = parse_reference(f"{text}:1")
    assert found.name == name
    assert str(found) == f"{text}:1"


@given(
    st.text(max_size=80) | st.text(alphabet="aB:[]./x01", max_size=20) | st.text(alphabet="abc019./:@-_", max_size=40)
)
def test_whatever_is_read_reads_the_same_again(text: str) -> None:
    """And no text raises anything but our error."""
    try:
        found = parse_reference(text)
    except BadReferenceError:
        return
    assert parse_reference(str(found)) == found
    assert "/.." not in found.repository


def test_a_folder_is_named_with_its_path() -> None:
    """With a tag, a digest or neither; colons in folders are not tags."""
    assert parse_any("oci-layout:/a/b") == LayoutReference("/a/b")
    assert parse_any("oci-layout:b:v1") == LayoutReference("b", "v1")
    assert parse_any("oci-layout:/a:b/c:v1") == LayoutReference("/a:b/c", "v1")
    assert parse_any(f"oci-layout:/a@b/c@{DIGEST}") == LayoutReference("/a@b/c", digest=DIGEST)
    assert parse_any("ghcr.io/a/b:1") == Reference("ghcr.io", "a/b", "1")
    for bad in ("oci-layout:", "oci-layout:x@sha256:12", "oci-layout:x:a b"):
        with pytest.raises(BadReferenceError):
            parse_any(bad)
