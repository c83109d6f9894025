"""`python -m dure`: the same as the command `dure`."""

from dure.cli.main import app

if __name__ == "__main__":
    app()
