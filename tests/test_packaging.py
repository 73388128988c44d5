"""A wheel is whole, and works with the oldest and the newest versions of what it asks for.

The wheel is built and read everywhere. Installing it with all that it depends on needs a package
index: that part runs under CI=true and by `make test-install`, and is skipped by name elsewhere.
PyTorch is not installed again: its folder is lent to the new environment.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import gptcore
from gptcore.checkpoint import shipped

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
TRIED = ("fast", "hub", "data", "finetune", "show")
NOTEBOOK = ("nbclient", "ipykernel")
"""Of the extra "book"; Jupyter Book itself is for building pages."""
INSTALLS = "GPTCORE_TEST_INSTALL" in os.environ  # minutes, and a package index


def clean(folder: Path) -> dict[str, str]:
    """An environment in which only what is installed can be imported."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    return {**inherited, "OMP_NUM_THREADS": "1", "HOME": str(folder), "GPTCORE_CACHE": str(folder)}


def run(*command: object, cwd: Path, **options) -> str:
    """What a command prints; its whole output where it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=clean(cwd),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, so that nothing is left in the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    junk = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in ("gptcore", "data"):
        shutil.copytree(ROOT / name, folder / "src" / name, ignore=junk)
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "src")
    words = "-m pip wheel -q --no-deps --no-build-isolation --disable-pip-version-check -w".split()
    run(sys.executable, *words, folder, folder / "src", cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def test_a_wheel_holds_all_of_the_package_and_of_what_is_shipped(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    kept = (".py", ".js", ".css", ".json", ".txt")
    wanted = {p.relative_to(ROOT) for p in (ROOT / "gptcore").rglob("*") if p.suffix in kept}
    for name in ("checkpoints", "runs"):
        files = [p for p in (ROOT / "data" / name).rglob("*") if p.is_file()]
        assert files
        wanted |= {Path("gptcore") / p.relative_to(ROOT) for p in files}
    wanted = {p for p in wanted if "__pycache__" not in p.parts}
    assert {p.as_posix() for p in wanted} - held == set()
    assert not [name for name in held if name.startswith(("tests", "book", "bench", "data/"))]


def test_what_it_asks_for_is_what_pyproject_says(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        text = archive.read(name).decode()
    stated = re.findall(r"^Requires-Dist: (.*)$", text, re.M)
    for extra in TRIED:
        for package in EXTRAS[extra]:
            assert f'{package}; extra == "{extra}"' in stated
    assert set(PROJECT["dependencies"]) <= set(stated)


def test_the_version_is_the_same_wherever_it_stands():
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert re.search(r"^version: (.*)$", citation, re.M)[1] == PROJECT["version"]
    assert gptcore.__version__ == PROJECT["version"]


def test_the_models_of_a_wheel_open_far_from_any_clone(wheel, tmp_path):
    """Unpacked somewhere else; a finder of an editable install is not asked."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
    code += "import gptcore; from gptcore.checkpoint import shipped\n"
    code += "print(gptcore.__file__, gptcore.load('tales-gpt1')[0].n_params())\n"
    code += "print(shipped.names(), shipped.run_record('tales-gpt1')['n_params'])"
    first, second = run(sys.executable, "-c", code, cwd=tmp_path).splitlines()[-2:]
    file, n = first.rsplit(" ", 1)
    assert Path(file).is_relative_to(tmp_path / "site")
    assert second == f"{shipped.names()} {n}"


# ---------------------------------------------------------------- installed


def lend_torch(python: Path, folder: Path) -> None:
    """PyTorch and what it needs, as links in a folder that the environment reads last."""
    folder.mkdir()
    waiting, seen = ["torch"], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # for another system
            continue
        for top in {file.parts[0] for file in found.files or () if file.parts[0] != ".."}:
            link = folder / top
            if not link.exists() and top != "__pycache__":
                link.symlink_to(found.locate_file(top))
        asked = [line for line in found.requires or () if "extra ==" not in line]
        waiting += [re.split(r"[\s;<>=!~\[(]", line)[0] for line in asked]
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.check_output([str(python), "-c", code], text=True).strip()
    (Path(site) / "lent.pth").write_text(f"{folder}\n")


def oldest() -> list[str]:
    """Every package that is asked for, in the first version that is good enough."""
    asked = [*PROJECT["dependencies"], *(line for extra in TRIED for line in EXTRAS[extra])]
    asked += [line for line in EXTRAS["book"] if line.split(">=")[0] in NOTEBOOK]
    return [line.replace(">=", "==") for line in asked if not line.startswith("torch>")]


@pytest.fixture(scope="module", params=["oldest", "newest"])
def installed(request, wheel, tmp_path_factory) -> Path:
    """A new environment with the wheel and what it asks for; the folder of its programs."""
    if not INSTALLS:
        pytest.skip("installing needs a package index: make test-install")
    if request.param == "oldest" and sys.version_info >= (3, 13):
        pytest.skip("the oldest versions asked for were not built for Python 3.13")
    folder = tmp_path_factory.mktemp(request.param)
    venv.create(folder / "env", with_pip=True)
    programs = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
    lend_torch(programs / "python", folder / "lent")
    wanted = [f"{wheel}[{','.join(TRIED)}]", *NOTEBOOK]
    if request.param == "oldest":
        (folder / "oldest.txt").write_text("\n".join(oldest()) + "\n")
        wanted += ["-c", folder / "oldest.txt"]
    pip = [programs / "python", "-m", "pip", "install", "-q", "--no-compile"]
    run(*pip, *wanted, cwd=folder)
    return programs


def test_every_command_works_as_installed(installed, tmp_path):
    """The short road of a reader: look, train, write, measure, fine-tune, on what a wheel has."""
    rows = [f"a {word} film {i},{word}\n" for i in range(20) for word in ("good", "bad")]
    (tmp_path / "own.csv").write_text("text,label\n" + "".join(rows))
    does = f"""
        --version
        --help
        train --help
        info tales-gpt1
        data list
        tales --n 2
        train --out run --preset tiny --tales 60 --steps 4 --warmup 1
        generate run Once --max-new-tokens 3 --samples 2
        generate tales-gpt1 Once --max-new-tokens 3 --stop .
        evaluate run
        finetune --out mood --data {tmp_path / "own.csv"} --epochs 1 --model run
    """
    for line in does.strip().splitlines():
        assert run(installed / "gptcore", *line.split(), cwd=tmp_path).strip()
    assert json.loads((tmp_path / "mood" / "run.json").read_text())["test"]


def test_a_chapter_runs_as_installed(installed, tmp_path):
    """Chapter 03, which loads the shipped model, draws charts and shows an explorer."""
    shutil.copy(ROOT / "book" / "03_attention.ipynb", tmp_path / "chapter.ipynb")
    code = "import nbformat, nbclient; book = nbformat.read('chapter.ipynb', 4)\n"
    code += "nbclient.NotebookClient(book, timeout=600, kernel_name='python3').execute()"
    run(installed / "python", "-c", code, cwd=tmp_path)
