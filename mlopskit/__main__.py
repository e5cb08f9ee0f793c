"""`python -m mlopskit` is the command line, for where the script is not on the path."""

from mlopskit.cli import command

if __name__ == "__main__":
    command()
