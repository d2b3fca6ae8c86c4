"""The command line `jaxrestore`, a file a group of commands."""
