"""The measuring kit for a GPU machine that is bare, offline and lent for minutes.

`python -m benchmarks.gpu.pack` fills a folder here; `python -m benchmarks.gpu.measure`
runs there with that folder beside the checkout. benchmarks/README.md tells how.
"""
