"""Image restoration in JAX: degrade, train, evaluate, restore.

Import the part you need (`from jaxrestore import losses`): nothing is imported here,
so that the losses never pay for checkpoints, data loading or a web server.
"""

__version__ = "0.1.0"
