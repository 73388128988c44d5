"""Puts the shipped models and records of data/ into a wheel; all else is in pyproject.toml."""

from pathlib import Path
from shutil import copytree

from setuptools import setup
from setuptools.command.build_py import build_py


class WithModels(build_py):
    """The package, and beside its modules what a clone has in data/checkpoints and data/runs."""

    def run(self) -> None:
        """Build, then copy; an editable install finds data/ where it is."""
        super().run()
        if not self.editable_mode:
            for name in ("checkpoints", "runs"):
                target = Path(self.build_lib) / "gptcore" / "data" / name
                copytree(Path("data") / name, target, dirs_exist_ok=True)


setup(cmdclass={"build_py": WithModels})
