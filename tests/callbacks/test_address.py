"""Which addresses may be called back."""

from __future__ import annotations

import contextlib
import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.callbacks.address import Allowed, target_of
from app.payload import Refused

NAMED = Allowed(["hooks.example.org", "localhost", "10.1.0.0/16", "127.0.0.2", "fd00:1::/32"])
OPEN = Allowed(["hooks.example.org", "0.0.0.0/0", "::/0"])  # an operator who lists everything

v4 = st.ip_addresses(v=4)
v6 = st.ip_addresses(v=6)
anywhere = st.one_of(v4, v6)


def reaches(allowed: Allowed, url: str, address: object) -> bool:
    """Whether a try may connect to this address."""
    return allowed.may_connect(target_of(url), str(address))


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org/done",
        "https://HOOKS.example.org:8443/done?a=b",
        "https://10.1.2.3/done",
        "https://[fd00:1::5]/done",
        "https://127.0.0.2/",
        "http://127.0.0.2:8080/done",
        "http://localhost:8080/done",
    ],
)
def test_what_is_listed_is_accepted(url: str) -> None:
    NAMED.check(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/",
        "https://x.hooks.example.org/",
        "https://hooks.example.org.evil.example/",
        "https://hooks.example.org./",
        "https://hooks.example.org@evil.example/",
        "https://user:password@hooks.example.org/",
        "https://@hooks.example.org/",
        "https://hooks.example.org:0/",
        "https://hooks.example.org:99999/",
        "https://hooks.example.org:x/",
        "https://evil.example\\@hooks.example.org/",
        "https://hooks.example.org /",
        "https://hooks.example.org\t/",
        "https://hooks.example.org/\r\nX: y",
        "https://hooks%2eexample.org/",
        "https://hööks.example.org/",
        "https:///done",
        "https:hooks.example.org",
        "http://hooks.example.org/",  # not a loopback address
        "http://10.1.2.3/",
        "https://10.2.0.1/",
        "https://127.0.0.1/",
        "http://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.2/",
        "https://[::ffff:127.0.0.2]/",
        "https://[::ffff:10.1.2.3]/",
        "https://[::]/",
        "https://0.0.0.0/",
        "https://[fe80::1]/",
        "https://[fd00:1::5%25eth0]/",
        "ftp://hooks.example.org/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "hooks.example.org",
        "//hooks.example.org/",
        "",
    ],
)
def test_what_is_not_listed_or_reads_two_ways_is_refused(url: str) -> None:
    with pytest.raises(Refused) as refused:
        NAMED.check(url)
    assert (refused.value.code, refused.value.field) == ("bad_request", "callback")


def test_a_refusal_does_not_repeat_the_address() -> None:
    with pytest.raises(Refused) as refused:
        NAMED.check("https://example.org/hook?token=hunter2")
    assert "hunter2" not in refused.value.message


@given(url=st.text(max_size=60))
def test_any_text_is_accepted_or_refused_and_no_error_of_another_kind(url: str) -> None:
    for candidate in (url, f"https://{url}", f"https://hooks.example.org{url}"):
        with contextlib.suppress(Refused):
            NAMED.check(candidate)
            assert target_of(candidate).host in ("hooks.example.org", "localhost", "127.0.0.2") or reaches(
                NAMED, candidate, target_of(candidate).host
            )


@given(address=v4)
def test_a_name_may_be_at_public_addresses_and_at_listed_ones_only(address: Any) -> None:
    listed = address in ipaddress.ip_network("10.1.0.0/16") or str(address) == "127.0.0.2"
    public = address.is_global and not address.is_multicast
    assert reaches(NAMED, "https://hooks.example.org/", address) == (listed or public)


@given(address=st.one_of(*(st.ip_addresses(network=each) for each in (
    "10.0.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "0.0.0.0/8", "127.0.0.0/31",
    "224.0.0.0/4", "240.0.0.0/4", "fc00::/8", "fe80::/10", "fec0::/10", "ff00::/8", "::1/128", "::/128",
    "::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "2001:db8::/32",
))))  # fmt: skip
def test_a_name_that_moves_inside_is_not_called(address: Any) -> None:
    assert not reaches(NAMED, "https://hooks.example.org/", address)


@given(address=anywhere)
def test_what_is_nobodys_own_address_is_never_called_not_even_where_all_is_listed(address: Any) -> None:
    hides = address.version == 6 and not address.is_loopback and any(
        address in ipaddress.ip_network(each) for each in ("::/96", "::ffff:0:0/96", "64:ff9b::/96", "2002::/16", "2001::/32")
    )  # fmt: skip
    odd = address.is_unspecified or address.is_link_local or address.is_multicast or hides
    if odd:
        assert not reaches(OPEN, "https://hooks.example.org/", address)


@given(address=st.one_of(*(st.ip_addresses(network=each) for each in (
    "169.254.0.0/16", "0.0.0.0/8", "224.0.0.0/4", "fe80::/10", "ff00::/8", "::/128", "::ffff:0:0/96", "64:ff9b::/96",
))))  # fmt: skip
def test_such_addresses_are_refused_also_as_they_are_written(address: Any) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)
    for scheme in ("https", "http"):
        with pytest.raises(Refused):
            OPEN.check(f"{scheme}://{host}/")
    assert not reaches(OPEN, "https://hooks.example.org/", address)


@given(address=anywhere)
def test_http_reaches_listed_loopback_addresses_only(address: Any) -> None:
    assert reaches(NAMED, "http://localhost/", address) == address.is_loopback
    assert not reaches(NAMED, "http://hooks.example.org/", address)


def test_a_name_that_is_not_listed_any_more_is_not_called() -> None:
    assert not reaches(Allowed([]), "https://hooks.example.org/", "93.184.215.14")
    assert not reaches(Allowed(["0.0.0.0/0"]), "https://hooks.example.org/", "93.184.215.14")


def test_junk_instead_of_an_address_is_not_called() -> None:
    assert not reaches(OPEN, "https://hooks.example.org/", "hooks.example.org")
    assert not reaches(OPEN, "https://hooks.example.org/", "fe80::1%eth0")


def test_an_empty_list_allows_nobody() -> None:
    for url in ("https://example.org/", "http://127.0.0.1/", "https://8.8.8.8/"):
        with pytest.raises(Refused):
            Allowed([]).check(url)
