import pytest

from jaxrestore.serving import buckets


def test_a_bucket_fills_again():
    now = [0.0]
    bucket = buckets.Bucket(2, clock=lambda: now[0])
    assert [bucket.take("a") for _ in range(3)] == [0, 0, 30]
    assert bucket.take("b") == 0
    now[0] = 29.0
    assert bucket.take("a") == pytest.approx(1)
    now[0] = 30.0
    assert [bucket.take("a"), bucket.take("a")] == [0, 30]


def test_a_bucket_forgets_who_has_not_asked_for_longest(monkeypatch):
    monkeypatch.setattr(buckets, "_CLIENTS", 2)
    bucket = buckets.Bucket(1, clock=lambda: 0.0)
    assert [bucket.take(one) for one in "abcab"] == [0, 0, 0, 0, 0]
    assert bucket.take("b") > 0
