"""``python -m textssl``, and with it ``accelerate launch -m textssl train ...``."""

from textssl.cli.main import main


if __name__ == "__main__":
    main()
