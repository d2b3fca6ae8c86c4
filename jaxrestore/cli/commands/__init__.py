"""What `jaxrestore` can do: a file a group of commands, each with `commands`."""
