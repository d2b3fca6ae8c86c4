"""Who asks, where a proxy says so: its word is believed, and nobody else's."""

import httpx
import pytest
from serving.http import live, whole

from jaxrestore import errors


def uploads(folder, proxies, addresses):
    """The statuses of uploads that say they are from these addresses.

    Of no use, 415, so that nothing is decoded; but they count, and one a minute may.
    """
    known = whole.settings(folder, proxies=proxies, address_uploads=1)
    with live.served(known, whole.app(known)) as port:
        place = f"http://127.0.0.1:{port}/api/v1/images"
        text = {"content-type": "text/plain"}
        headers = [{**text, "x-forwarded-for": address} for address in addresses]
        return [
            httpx.post(place, content=b"x", headers=header).status_code
            for header in headers
        ]


@pytest.mark.parametrize(
    ("proxies", "expected"),
    [
        (("127.0.0.0/8",), [415, 429, 415]),
        (("192.0.2.1",), [415, 429, 429]),
        ((), [415, 429, 429]),
    ],
)
def test_a_proxy_that_is_named_says_who_asks(tmp_path, proxies, expected):
    addresses = ["192.0.2.7", "192.0.2.7", "192.0.2.8"]
    assert uploads(tmp_path, proxies, addresses) == expected


def test_the_last_proxy_s_word_counts_and_not_what_a_client_has_written(tmp_path):
    addresses = ["192.0.2.8, 192.0.2.7", "192.0.2.9, 192.0.2.7"]
    assert uploads(tmp_path, ("127.0.0.1",), addresses) == [415, 429]


@pytest.mark.parametrize("one", ["proxy.example.com", "10.0.0.0/33", "10.0.0.1/8", ""])
def test_what_is_no_address_is_refused(tmp_path, one):
    with pytest.raises(errors.ConfigError, match=r"`proxy` .* no address, such as"):
        whole.settings(tmp_path, proxies=(one,))
