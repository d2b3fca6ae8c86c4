"""`python -m jaxrestore` is the command line."""

from jaxrestore.cli import app

if __name__ == "__main__":
    app.main()
