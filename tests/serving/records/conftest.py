"""A ledger in each kind of database that is at hand."""

import pytest
from serving.records import kept

from jaxrestore.serving.records import ledger


@pytest.fixture
def clock():
    return kept.Clock()


@pytest.fixture(params=kept.KINDS)
def jobs(request, tmp_path, clock):
    url, drop = kept.url(request.param, tmp_path)
    with ledger.Ledger(url, clock=clock) as jobs:
        yield jobs
    drop()
