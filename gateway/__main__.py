"""`python -m gateway` is `cumulog`."""

from gateway.cli import main

if __name__ == "__main__":
    main()
