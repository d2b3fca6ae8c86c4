"""The web app as others reach it: the API, what guards it, and the server."""
