"""Addresses that a registry of a stranger may have."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.provenance.oci.zone import NotPublicError, is_public, public_socket


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("140.82.112.33", True),
        ("2606:50c0:8000::154", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("172.16.3.4", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:140.82.112.33", True),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::8c52:7021", True),
        ("2002:a00:1::", False),
        ("registry.example.com", False),
        ("", False),
    ],
)
def test_an_address_is_public_or_not(address: str, public: bool) -> None:
    """Also where it is written within another one; what is no address is none that is public."""
    assert is_public(address) is public


@given(st.ip_addresses(network="10.0.0.0/8"))
def test_private_addresses_are_private_in_every_form(address: object) -> None:
    """Plain, mapped, translated."""
    for form in (f"{address}", f"::ffff:{address}", f"64:ff9b::{address}"):
        assert not is_public(form)


def test_no_socket_is_made_for_others() -> None:
    """The address is looked at where the connection is made, not where a name was asked for."""
    with pytest.raises(NotPublicError):
        public_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 443)))
    with public_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("140.82.112.33", 443))) as made:
        assert made.family == socket.AF_INET
