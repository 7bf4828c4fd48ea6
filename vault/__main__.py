"""`python -m vault` is `vrm`."""

from vault.cli import main

if __name__ == "__main__":
    main(prog_name="vrm")
