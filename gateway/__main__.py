"""``python -m gateway`` is ``govgate``."""

from gateway.cli.app import main

if __name__ == "__main__":
    main()
