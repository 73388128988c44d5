"""A package that only a part of the course needs: where it is absent, one line says what to type.

The table of extras is pyproject.toml itself; every import of a package that is no plain dependency
is read from the source and must stand where its absence is explained.
"""

import ast
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from gptcore import extras
from gptcore.extras import how_to_install, needing

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
IMPORTED_AS = {"scikit-learn": "sklearn", "ipython": "IPython"}


def names(requirements: list[str]) -> set[str]:
    """What the packages of some requirements are called in an import."""
    found = {re.split(r"[\s<>=;\[]", line)[0] for line in requirements}
    return {IMPORTED_AS.get(name, name.replace("-", "_")) for name in found}


PLAIN = names(PROJECT["dependencies"]) | {"gptcore"} | set(sys.stdlib_module_names)


def unexplained(source: str, inside: str | None = None) -> list[str]:
    """Imports of optional packages that no `needing` and no `except ImportError` looks after.

    Args:
        source: of a module. inside: the extra that the package around it has asked for already.
    """
    found: list[str] = []

    def visit(node: ast.AST, extra: str | None, caught: bool) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = (
                [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module]
            )
            for name in {str(module).split(".")[0] for module in modules} - PLAIN:
                if not caught and name not in names(EXTRAS.get(extra, [])):
                    found.append(f"line {node.lineno}: {name}")
        if isinstance(node, ast.With) and isinstance(call := node.items[0].context_expr, ast.Call):
            if getattr(call.func, "id", "") == "needing":
                extra = ast.literal_eval(call.args[0])
        if isinstance(node, ast.Try):
            kinds = [ast.unparse(handler.type) for handler in node.handlers if handler.type]
            caught = caught or "ImportError" in kinds
        for child in ast.iter_child_nodes(node):
            visit(child, extra, caught)

    visit(ast.parse(source), inside, False)
    return found


def test_every_optional_import_is_explained():
    """`gptcore/show/__init__.py` asks for the extra "show" before any module of that room."""
    found = {}
    for path in sorted((ROOT / "gptcore").rglob("*.py")):
        show = ROOT / "gptcore" / "show"
        inside = "show" if show in path.parents and path != show / "__init__.py" else None
        if complaints := unexplained(path.read_text("utf-8"), inside):
            found[path.relative_to(ROOT).as_posix()] = complaints
    assert found == {}


def test_the_reader_of_imports_notices():
    """Negative controls: outside, below the wrong extra, below another `with`."""
    assert unexplained("import scipy.stats") == ["line 1: scipy"]
    assert unexplained("def f():\n    from pooch import create") == ["line 2: pooch"]
    assert unexplained("with needing('show'):\n    import scipy") == ["line 2: scipy"]
    assert unexplained("with open(x):\n    import scipy") == ["line 2: scipy"]
    assert (
        unexplained("with needing('finetune'):\n    from scipy import stats\n    import sklearn")
        == []
    )
    assert unexplained("try:\n    import tiktoken\nexcept ImportError:\n    pass") == []
    assert unexplained("import json, torch\nfrom gptcore.model import GPT") == []


def test_the_line_to_type_names_every_package_of_the_extra(monkeypatch):
    """Lines as an installed package states them; tests/test_packaging.py reads those of a wheel."""
    stated = ["torch>=2.5", 'tomli>=2; python_version < "3.11" and extra == "test"']
    stated += ["scipy>=1.11; extra == 'finetune'", 'spacy<4,>=3.7 ; extra == "gpt1"']
    stated += ['scikit-learn>=1.4; extra == "finetune"', 'x; extra == "finetune-more"']
    monkeypatch.setattr(extras, "requires", lambda name: stated)
    assert extras.packages("gpt1") == ["spacy<4,>=3.7"]
    assert how_to_install("finetune") == 'pip install "scipy>=1.11" "scikit-learn>=1.4"'
    assert how_to_install("test") == 'pip install "tomli>=2"'


def test_sources_that_were_not_installed_name_the_extra_itself(monkeypatch):
    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(extras, "requires", absent)
    assert how_to_install("show") == 'pip install ".[show]"'


def test_absent_and_broken_packages_are_told_apart():
    with pytest.raises(
        ImportError, match="^no_such is not installed; install what the extra 'hub'"
    ):
        with needing("hub"):
            import no_such.part  # noqa: F401
    with pytest.raises(ImportError, match="json cannot be used here .cannot import name 'none'"):
        with needing("hub"):
            from json import none  # noqa: F401
    with pytest.raises(ZeroDivisionError), needing("hub"):
        _ = 1 / 0


@pytest.mark.parametrize(
    ("absent", "does", "extra"),
    [
        ("scipy", "from gptcore.scoring.metrics import interval; interval([1, 2])", "finetune"),
        ("sklearn", "from gptcore.scoring.metrics import score; score('f1', [], [])", "finetune"),
        ("traitlets", "import gptcore.show", "show"),
        ("plotly", "from gptcore.show import line", "show"),
        ("anywidget", "from gptcore.show import AttentionExplorer", "show"),
        ("requests", "from gptcore import datasets; datasets.load('sst2')", "data"),
        ("pooch", "from gptcore import datasets; datasets.load('sst2')", "data"),
        ("huggingface_hub", "import gptcore; gptcore.load('openai-gpt')", "hub"),
    ],
)
def test_what_is_missing_is_one_line_with_what_to_type(absent, does, extra, tmp_path):
    """In a process of its own, in which the package cannot be found."""
    code = f"import sys; sys.modules[{absent!r}] = None\n"  # import then raises ModuleNotFoundError
    code += "import os; os.environ.pop('GPTCORE_DATA_MIRROR', None)\n"
    code += f"os.environ['GPTCORE_CACHE'] = {str(tmp_path)!r}\n"
    code += f"try:\n    {does}\nexcept (ImportError, OSError) as error:\n    print(error)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.count("\n") == 1, done.stderr
    assert f"{absent} is not installed" in done.stdout
    assert how_to_install(extra) in done.stdout
