"""A source of images whose images are changed as they are read."""

from collections.abc import Callable
from typing import Any, SupportsIndex

import numpy as np


class Mapped:
    """A source that applies `change` to every image of another; names stay."""

    def __init__(
        self,
        source: Any,
        change: Callable[[np.ndarray], np.ndarray],
        *,
        label: str,
        channels: int,
    ):
        """Keeps the source; reads nothing. `label` says in its `repr` what changes."""
        self.source, self.channels = source, channels
        self._change, self._label = change, label

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.source)

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        """Returns the source's element, its image changed."""
        element = self.source[index]
        return {**element, "image": self._change(element["image"])}

    def __repr__(self) -> str:
        """Returns the label and the source."""
        return f"Mapped({self.source!r}, {self._label})"

    def name(self, position: int) -> str:
        """Returns the name of an image."""
        return self.source.name(position)

    def report(self) -> dict[str, Any]:
        """Returns the source's report."""
        return self.source.report()
