import os
import types

import jax
import pytest

from jaxrestore.training import cost


@pytest.mark.parametrize(
    ("size", "words"),
    [(1_048_576, "1.0 MiB"), (1023 * 2**20, "1023.0 MiB"), (3 * 2**30, "3.0 GiB")],
)
def test_memory_is_said_in_a_unit_that_fits(size, words):
    assert cost.in_words(size) == words


def test_a_donated_state_is_counted_once():
    sizes = {"argument": 100, "temp": 30, "output": 60, "alias": 50}
    named = {f"{name}_size_in_bytes": size for name, size in sizes.items()}
    analysis = types.SimpleNamespace(**named)
    compiled = types.SimpleNamespace(memory_analysis=lambda: analysis)
    assert cost.step_memory(compiled) == 100 + 30 + 60 - 50


@pytest.mark.parametrize(("limit", "expected"), [({"bytes_limit": 7}, 7), (None, None)])
def test_the_memory_is_the_devices_or_else_the_machines(monkeypatch, limit, expected):
    device = types.SimpleNamespace(memory_stats=lambda: limit)
    monkeypatch.setattr(jax, "devices", lambda: [device])
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert cost.device_memory() == (expected or machine)


def test_a_run_takes_its_operations_at_the_rate_of_a_convolution(monkeypatch):
    monkeypatch.setattr(cost, "_convolution_rate", lambda: 2e9)
    lowered = types.SimpleNamespace(cost_analysis=lambda: {"flops": 6e8})
    assert cost.expected_seconds(lowered, 10) == pytest.approx(3)


def test_whoever_asks_for_the_cpu_misses_no_gpu(monkeypatch):
    monkeypatch.setattr(cost.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert not cost.unused_gpu()
    monkeypatch.delenv("JAX_PLATFORMS")
    assert cost.unused_gpu()
