"""The rules of the repository, read from its source: layers, sizes, names, tolerances, addresses.

Each checker takes a source text and lists what is wrong with it; negative controls at the end
feed every checker a text that breaks its rule.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = sorted((ROOT / "gptcore").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
SCRIPTS = sorted((ROOT / "gptcore/show").rglob("*.js"))
TOOLS = sorted([*(ROOT / "book").rglob("*.py"), *(ROOT / "bench").rglob("*.py")])

# Lower layers know nothing of higher ones. A name stands for a module or a whole folder.
# The reading order and what serves it stand at the bottom; every folder above is a layer's room.
LAYERS = (
    "extras config attention gradients sparse model modes optim".split()
    + "decode lstm sizes tokenizer encodings probes".split(),
    "tales datasets labelled".split(),
    ["text"],
    ["sampling"],
    ["scoring"],
    "checkpoint heads".split(),
    ["train"],
    ["experiments"],
    "show exercises".split(),
    "commands __main__ moved".split(),
)
STAGES = {
    f"gptcore.train.{name}" for name in ("pretrain", "finetune", "sft", "reward", "dpo", "ppo")
}
# `import gptcore` needs torch, numpy, regex and safetensors; these are imported where used.
HEAVY = {"transformers", "tokenizers", "tiktoken", "huggingface_hub", "tyro", "tqdm", "plotly"}
HEAVY |= {"ftfy", "spacy", "pooch", "anywidget", "IPython", "matplotlib", "pandas", "scipy"}
HEAVY |= {"charset_normalizer", "pyarrow", "openpyxl", "lm_eval", "rouge_score"}
BANNED_NAMES = {"utils", "util", "common", "helpers", "misc", "stuff", "constants"}
MACHINE_PATH = re.compile(r"[\"'(= ]/(?:home|root|Users|work|mnt|opt|srv)/\w")
CDN = re.compile(r"https?://(?:[\w.-]*cdn[\w.-]*|unpkg\.com|fonts\.g\w+\.com)")
MAX_FILE, MAX_FUNCTION, MAX_LINE, MAX_SCRIPT = 400, 50, 100, 600


def layer_of(module: str) -> int | None:
    """The layer of `gptcore.<name>...`; the package itself and its command line are above all."""
    name = module.split(".")[1] if module.startswith("gptcore.") else "__main__"
    return next((level for level, names in enumerate(LAYERS) if name in names), None)


def imports(tree: ast.AST) -> list[str]:
    """Every module that a source imports, wherever the import stands."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def layer_complaints(module: str, source: str) -> list[str]:
    """Imports that point up, stages that import each other, relative imports."""
    tree, own = ast.parse(source), layer_of(module)
    if own is None:
        return [f"{module} belongs to no layer: give it one in LAYERS"]
    above = [name for name in imports(tree) if name.startswith("gptcore.")]
    above = [name for name in above if layer_of(name) is not None and layer_of(name) > own]
    found = [f"{module} imports {name}, which stands above it" for name in above]
    if module in STAGES:
        others = sorted(STAGES.intersection(imports(tree)) - {module})
        found += [f"{module} imports the stage {other}" for other in others]
    relative = any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))
    return found + ([f"{module} uses a relative import"] if relative else [])


def weight_complaints(module: str, source: str) -> list[str]:
    """Heavy packages imported at the top of a module that everybody imports."""
    top = [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {name.split(".")[0] for node in top for name in imports(node)}
    return [f"{module} imports {name} at its top" for name in sorted(names & HEAVY)]


def size_complaints(name: str, source: str) -> list[str]:
    """Files, functions and lines that are too long to be read in one go."""
    lines = source.splitlines()
    found = [f"{name} has {len(lines)} lines"] if len(lines) > MAX_FILE else []
    found += [f"{name}:{n} has {len(s)} characters" for n, s in enumerate(lines, 1) if len(s) > 100]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = node.end_lineno - node.lineno + 1
            if length > MAX_FUNCTION:
                found.append(f"{name}: {node.name} has {length} lines")
    return found


def script_complaints(name: str, source: str) -> list[str]:
    """A script of an explorer that is too long: part of it belongs in a script of its own."""
    lines = len(source.splitlines())
    return [f"{name} has {lines} lines"] if lines >= MAX_SCRIPT else []


def docstring_complaints(name: str, source: str) -> list[str]:
    """A module of the package says what it is for and where it comes from."""
    docstring = ast.get_docstring(ast.parse(source)) or ""
    if not docstring:
        return [f"{name} has no docstring"]
    package = name.endswith(("__init__.py", "__main__.py"))
    return [] if package or "Source:" in docstring else [f"{name} names no Source:"]


def tolerance_complaints(name: str, source: str) -> list[str]:
    """Tolerances so wide that a wrong number would pass."""
    found = []
    for node in ast.walk(ast.parse(source)):
        for word in getattr(node, "keywords", []):
            value = word.value.value if isinstance(word.value, ast.Constant) else 0
            if word.arg in {"rtol", "atol", "rel", "abs", "abs_tol", "rel_tol"} and value > 1e-2:
                found.append(f"{name}:{node.lineno} tolerates {word.arg}={value}")
    return found


def text_complaints(name: str, source: str) -> list[str]:
    """Paths of one machine and addresses that a reader without a network cannot load."""
    found = [f"{name} names {hit.group()[1:]}..." for hit in MACHINE_PATH.finditer(source)]
    return found + [f"{name} points at {hit.group()}" for hit in CDN.finditer(source)]


def module_name(path: Path) -> str:
    """gptcore/train/loop.py -> gptcore.train.loop."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def gather(paths: list[Path], *checkers) -> list[str]:
    """All complaints of the checkers about the files."""
    texts = [(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in paths]
    return [found for name, text in texts for check in checkers for found in check(name, text)]


def test_layers_and_weight() -> None:
    """Imports point down only, and `import gptcore` stays light."""
    found = []
    for path in PACKAGE:
        name, source = module_name(path), path.read_text("utf-8")
        found += layer_complaints(name, source)
        outer = name.startswith(("gptcore.__main__", "gptcore.commands", "gptcore.show"))
        found += [] if outer else weight_complaints(name, source)
    assert not found, "\n".join(found)


def test_sizes_and_texts() -> None:
    """Everything can be read in one go and nothing names a machine or a network."""
    found = gather([*PACKAGE, *TESTS, *TOOLS], size_complaints)
    found += gather(SCRIPTS, script_complaints)
    assert not found, "\n".join(found)
    static = [path for path in (ROOT / "gptcore/show").rglob("*.*s") if path.is_file()]
    pages = [path for path in (ROOT / "book").rglob("*") if path.suffix in {".md", ".css", ".svg"}]
    # These two hold such texts on purpose: the faults that their checkers must notice.
    controls = ROOT / "tests" / "book", Path(__file__).resolve()
    tests = [path for path in TESTS if not {path, path.parent}.intersection(controls)]
    found = gather([*PACKAGE, *TOOLS, *static, *pages, *tests], text_complaints)
    assert not found, "\n".join(found)


def test_docstrings_names_and_tolerances() -> None:
    """Modules name their sources, have names that say something, and tests are tight."""
    found = gather(PACKAGE, docstring_complaints) + gather(TESTS, tolerance_complaints)
    assert not found, "\n".join(found)
    assert [str(path) for path in [*PACKAGE, *TESTS, *TOOLS] if path.stem in BANNED_NAMES] == []


BROKEN = [
    (layer_complaints, "gptcore.config", "from gptcore.model import GPT\nimport gptcore.train"),
    (layer_complaints, "gptcore.tokenizer.words", "def f():\n    from gptcore import text"),
    (layer_complaints, "gptcore.orphan", "import torch"),
    (layer_complaints, "gptcore.train.ppo", "from gptcore.train.sft import fit"),
    (layer_complaints, "gptcore.model", "from .config import GPTConfig"),
    (weight_complaints, "gptcore.model", "import transformers.models"),
    (weight_complaints, "gptcore.model", "from tqdm import tqdm"),
    (size_complaints, "x.py", "a = 1\n" * 401),
    (size_complaints, "x.py", "#" * 101),
    (size_complaints, "x.py", "def f():\n" + "    a = 1\n" * 50),
    (script_complaints, "x.js", "a();\n" * 600),
    (docstring_complaints, "x.py", "a = 1"),
    (docstring_complaints, "x.py", '"""What it is for."""'),
    (tolerance_complaints, "x.py", "assert_close(a, b, rtol=1e6)"),
    (tolerance_complaints, "x.py", "assert a == approx(b, abs=0.05)"),
    (text_complaints, "x.py", 'path = "/home/ada/data"'),
    (text_complaints, "x.js", 'load("https://cdn.jsdelivr.net/npm/x")'),
]


@pytest.mark.parametrize(("checker", "name", "source"), BROKEN)
def test_each_broken_rule_is_noticed(checker, name: str, source: str) -> None:
    """Negative control: one text per rule, at least one complaint that names it."""
    found = checker(name, source)
    assert found and all(name in complaint for complaint in found)


def test_sound_text_draws_no_complaint() -> None:
    """The checkers do not complain about everything."""
    source = '"""What it is for.\n\nSource: GPT-1 §3.1.\n"""\nfrom gptcore.config import GPTConfig'
    for checker in {checker for checker, _, _ in BROKEN}:
        assert checker("gptcore.model", source) == []
