"""A ledger in each kind of database, of which PostgreSQL may be missing."""

import importlib.util
import uuid

import pytest
import sqlalchemy as sa
from serving.records import kept, postgres

from jaxrestore.serving.records import ledger


@pytest.fixture
def clock():
    return kept.Clock()


@pytest.fixture(scope="session")
def cluster():
    """The URL of a PostgreSQL, which each process of the tests starts once."""
    missing = [name for name in ("initdb", "postgres") if not postgres.program(name)]
    if importlib.util.find_spec("psycopg") is None:
        missing.append("psycopg")
    if missing:
        pytest.skip(f"PostgreSQL is not at hand: {', '.join(missing)} missing")
    with postgres.cluster() as url:
        yield url


@pytest.fixture
def schema(cluster):
    """The URL of a schema of the test's own."""
    name = f"test_{uuid.uuid4().hex}"
    engine = sa.create_engine(cluster)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    engine.dispose()
    return f"{cluster}&options=-csearch_path%3D{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """The URL of a new database of each kind."""
    if request.param == "sqlite":
        return kept.url(tmp_path)
    return request.getfixturevalue("schema")


@pytest.fixture
def jobs(url, clock):
    with ledger.Ledger(url, clock=clock) as jobs:
        yield jobs
