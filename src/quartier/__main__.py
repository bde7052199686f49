"""``python -m quartier`` is the command ``quartier``."""

from quartier.cli import main

if __name__ == "__main__":
    main()
