"""Pictures restored by a web app elsewhere: `jaxrestore remote`."""
