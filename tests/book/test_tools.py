"""The tools that run and build the book: what re-runs, what git keeps, where links point."""

import contextlib
import copy
import io
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import build
import chromium
import everything
import execute
import nbformat
import offline
import pytest
import refresh
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from gptcore import datasets


def notebook(source: str = "x = 1", text: str = "# Title") -> nbformat.NotebookNode:
    """A notebook of one text cell and one code cell."""
    return new_notebook(cells=[new_markdown_cell(text), new_code_cell(source)])


def test_prose_does_not_change_the_key_and_everything_else_does() -> None:
    """What can change an output re-runs a notebook; what cannot, does not."""
    key = execute.key_of(notebook(), "around")
    tagged = notebook()
    tagged.cells[1].metadata["tags"] = ["raises-exception"]
    assert execute.key_of(notebook(text="# Another title"), "around") == key
    assert execute.key_of(notebook(source="x = 2"), "around") != key
    assert execute.key_of(notebook(), "another package") != key
    assert execute.key_of(tagged, "around") != key


def fake_repository(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the parts that the surroundings are made of."""
    for name in ("gptcore", "data", "book"):
        (root / name).mkdir()
    (root / "gptcore" / "model.py").write_text("a = 1")
    (root / "data" / "run.json").write_text("{}")
    (root / "requirements.txt").write_text("torch")
    monkeypatch.setattr(execute, "ROOT", root)
    monkeypatch.setattr(execute, "CACHE", root / "_build" / "executed")


@pytest.mark.parametrize("name", ["gptcore/model.py", "data/run.json", "requirements.txt"])
def test_surroundings_notice_sources_data_and_pins(name, tmp_path, monkeypatch) -> None:
    """Each kind of file that a notebook depends on changes the hash, and nothing else does."""
    fake_repository(tmp_path, monkeypatch)
    before = execute.surroundings()
    (tmp_path / "book" / "intro.md").write_text("prose")
    (tmp_path / "gptcore" / "__pycache__").mkdir()
    (tmp_path / "gptcore" / "__pycache__" / "model.pyc").write_text("bytes")
    assert execute.surroundings() == before
    (tmp_path / name).write_text("changed")
    assert execute.surroundings() != before


@pytest.mark.parametrize("name", ["GPTCORE_SCALE", "GPTCORE_CACHE", "GPTCORE_OF_TOMORROW"])
def test_settings_change_the_surroundings(name, monkeypatch, tmp_path) -> None:
    """Outputs of one scale are never shown for the other, nor those of any other setting."""
    fake_repository(tmp_path, monkeypatch)
    monkeypatch.setenv(name, "laptop")
    laptop = execute.surroundings()
    monkeypatch.setenv(name, "gpu")
    assert execute.surroundings() != laptop


def test_what_is_installed_and_what_the_mirror_has_change_the_surroundings(
    monkeypatch, tmp_path
) -> None:
    """A pin says what ought to be installed; a mirror's address does not say what is there."""
    fake_repository(tmp_path, monkeypatch)
    (tmp_path / "requirements.txt").write_text("# a\ntorch==2.0\npyarrow==9; python_version < '4'")
    (tmp_path / "mirror" / "udhr").mkdir(parents=True)
    monkeypatch.setenv("GPTCORE_DATA_MIRROR", str(tmp_path / "mirror"))
    installed = {"torch": "2.0"}

    def version(name: str) -> str:
        if name not in installed:
            raise PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(execute, "version", version)
    seen = [execute.surroundings()]
    installed["pyarrow"] = "9"
    seen.append(execute.surroundings())
    installed["torch"] = "2.1"
    seen.append(execute.surroundings())
    (tmp_path / "mirror" / "udhr" / "eng.txt").write_text("All human beings")
    seen.append(execute.surroundings())
    assert len(set(seen)) == 4
    installed["unpinned"] = "1"
    assert execute.surroundings() == seen[-1]


def test_the_longest_run_first_and_the_result_is_in_the_book_s_order(
    tmp_path, monkeypatch, capsys
) -> None:
    """Those never timed come first, later chapters before earlier ones; then by seconds."""
    fake_repository(tmp_path, monkeypatch)
    paths = [tmp_path / "book" / f"0{i}.ipynb" for i in range(1, 6)]
    execute.CACHE.mkdir(parents=True)
    for path, seconds in zip(paths, (9.5, 30, None, 12, None), strict=True):
        ran = notebook()
        ran.metadata.update({} if seconds is None else {"seconds": seconds})
        nbformat.write(ran, execute.CACHE / path.name)
    assert [path.stem for path in execute.longest_first(paths)] == ["05", "03", "02", "04", "01"]
    assert execute.longest_first([]) == []

    nbformat.write(new_notebook(), paths[0])
    nbformat.write(new_notebook(), paths[1])
    found = execute.run_all(paths[:2], jobs=1)
    assert list(found) == paths[:2]
    started = [line.split(":")[0] for line in capsys.readouterr().out.splitlines() if "run" in line]
    assert started == ["  02", "  01"]
    kept = nbformat.read(execute.CACHE / "02.ipynb", as_version=4)
    assert 0 < kept.metadata["seconds"] < 60


def test_a_notebook_runs_once_and_then_only_after_a_change(tmp_path, monkeypatch, capsys) -> None:
    """Run, reuse after a change of prose, run again after a change of the package."""
    fake_repository(tmp_path, monkeypatch)
    path = tmp_path / "book" / "01_sum.ipynb"
    nbformat.write(notebook("print(20 + 3)"), path)
    first = execute.run_all([path], jobs=1)[path]
    assert first.cells[1].outputs[0].text == "23\n"
    assert "running 1 code cells" in capsys.readouterr().out

    nbformat.write(notebook("print(20 + 3)", text="# Better title"), path)
    second = execute.run_all([path], jobs=1)[path]
    assert capsys.readouterr().out == "  01_sum: unchanged\n"
    assert second.cells[0].source == "# Better title"
    assert second.cells[1].outputs == first.cells[1].outputs

    (tmp_path / "gptcore" / "model.py").write_text("a = 2")
    execute.run_all([path], jobs=1)
    assert "running 1 code cells" in capsys.readouterr().out
    assert nbformat.read(path, as_version=4).cells[1].outputs == []  # git's copy is only read


def test_a_failing_cell_is_shown_with_its_source_and_error(tmp_path, monkeypatch, capsys) -> None:
    """The message names notebook and cell, and carries the source and the exception."""
    fake_repository(tmp_path, monkeypatch)
    path = tmp_path / "book" / "02_fail.ipynb"
    nbformat.write(notebook("n_head = 5\nraise ValueError(f'{n_head=}')"), path)
    with pytest.raises(execute.ChapterFailed) as caught:
        execute.run_all([path], jobs=1)
    message = str(caught.value)
    assert message.startswith("book/02_fail.ipynb, code cell 1 of 1:")
    assert "raise ValueError(f'{n_head=}')" in message and "ValueError: n_head=5" in message
    assert "FAILED in code cell 1 of 1" in capsys.readouterr().out
    assert not (execute.CACHE / "02_fail.ipynb").exists()


@pytest.mark.parametrize(
    ("source", "why"),
    [("import os; os._exit(1)", "Kernel died"), ("import time; time.sleep(60)", "timed out")],
)
def test_a_kernel_that_dies_or_hangs_is_named(source, why, tmp_path, monkeypatch) -> None:
    """Out of memory, killed, stuck: the message still says which notebook and which cell."""
    fake_repository(tmp_path, monkeypatch)
    monkeypatch.setattr(execute, "CELL_TIMEOUT", 3)
    path = tmp_path / "book" / "03_stuck.ipynb"
    nbformat.write(notebook(source), path)
    with pytest.raises(execute.ChapterFailed, match="book/03_stuck.ipynb, code cell 1 of 1:") as e:
        execute.run_all([path], jobs=1)
    assert why in str(e.value)


def test_git_keeps_text_and_drops_figures_widgets_and_paths() -> None:
    """Printed text and counts stay; pictures, progress bars, state and tracebacks go."""
    ran = notebook("show(fig)")
    ran.metadata["widgets"] = {"state": {}}
    ran.cells[1].metadata = {"tags": ["b", "a"], "execution": {"iopub.execute_input": "now"}}
    ran.cells[1].execution_count = 1
    ran.cells[1].outputs = [
        new_output("stream", name="stdout", text="0.5\n"),
        new_output("stream", name="stderr", text="100%|####|"),
        new_output("display_data", data={"text/html": "<div>", "text/plain": "[Chart: x]"}),
        new_output("display_data", data={"image/png": "iVBO"}),
        new_output("error", ename="E", evalue="v", traceback=["File /home/ada/x.py"]),
    ]
    before = copy.deepcopy(ran)
    kept = refresh.text_only(ran)
    assert ran == before
    cell = kept.cells[1]
    assert (cell.execution_count, cell.metadata) == (1, {"tags": ["a", "b"]})
    assert [out.output_type for out in cell.outputs] == ["stream", "display_data", "error"]
    assert cell.outputs[0].text == "0.5\n"
    assert cell.outputs[1].data == {"text/plain": "[Chart: x]"}
    assert cell.outputs[2].traceback == []
    assert kept.metadata == refresh.METADATA
    nbformat.validate(kept)


def test_what_a_cell_prints_in_pieces_is_kept_as_one() -> None:
    """Where a kernel cuts its printed text is chance; a chart between two texts parts them."""
    ran = notebook("print(a); print(b); show(fig); print(c)")
    ran.cells[1].outputs = [
        new_output("stream", name="stdout", text="a\n"),
        new_output("stream", name="stderr", text="50%"),
        new_output("stream", name="stdout", text="b\n"),
        new_output("display_data", data={"text/plain": "[Chart: x]"}),
        new_output("stream", name="stdout", text="c\n"),
    ]
    kept = refresh.text_only(ran).cells[1].outputs
    assert [out.get("text") for out in kept] == ["a\nb\n", None, "c\n"]
    assert ran.cells[1].outputs[0].text == "a\n"


def test_links_of_a_published_book_and_none_otherwise() -> None:
    """Without a repository the configuration is left alone; with one, its own address is used."""
    config = {"html": {"favicon": "x"}, "repository": {"url": ""}}
    assert build.published(config, {}) is config
    found = build.published(config, {"GITHUB_REPOSITORY": "ada/fork", "GITHUB_REF_NAME": "next"})
    assert found["repository"] == {"url": "https://github.com/ada/fork", "branch": "next"}
    assert found["launch_buttons"]["colab_url"] and found["html"]["use_repository_button"]
    assert config["repository"] == {"url": ""}


def test_a_published_book_has_every_set_that_may_be_passed_on(monkeypatch, tmp_path) -> None:
    """What `datasets.optional` says of an absent set stops the build; sst2 may not be passed on."""
    for folder in ("GPTCORE_DATA_MIRROR", "GPTCORE_CACHE"):
        monkeypatch.setenv(folder, str(tmp_path))
    monkeypatch.setattr(datasets.store, "fetch", _nowhere)

    def ran(source: str, printed: str = "") -> nbformat.NotebookNode:
        outputs = [new_output("stream", name="stdout", text=printed)]
        return new_notebook(cells=[new_code_cell(source, outputs=outputs)])

    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        assert datasets.optional("gutenberg") is None and datasets.optional("sst2") is None
    assert build.missing_sets([ran("optional(...)", told.getvalue())]) == ["gutenberg"]
    assert build.missing_sets([ran("datasets.tokenizer(name)")]) == ["gpt1-bpe", "gpt2-bpe"]
    assert build.missing_sets([ran("print(1)", "1\n")]) == []


def _nowhere(*_: object) -> None:
    raise datasets.DataUnavailable("no network")


def test_the_build_stops_where_a_published_book_would_leave_a_set_out(monkeypatch, capsys) -> None:
    """Exit status 1, and the sets by name; at home the build goes on to the next stage."""
    cell = new_code_cell("", outputs=[new_output("stream", name="stdout", text="")])
    cell.outputs[0].text = "The data set udhr (1 MB) is not here, so this part is left out."
    monkeypatch.setattr(build, "run_all", lambda *_, **__: {Path("x"): new_notebook(cells=[cell])})
    monkeypatch.setattr(build, "stage", _staged)
    monkeypatch.setenv("GITHUB_REPOSITORY", "ada/fork")
    assert build.main() == 1
    said = capsys.readouterr().out
    assert "would leave out udhr." in said and "gptcore data fetch udhr" in said
    monkeypatch.delenv("GITHUB_REPOSITORY")
    with pytest.raises(InterruptedError):
        build.main()


def _staged(*_: object) -> None:
    raise InterruptedError


LOADING = [
    '<script src="https://cdn.example.org/x.js"></script>',
    "<script async src='//cdn.example.org/x.js'></script>",
    '<link rel="stylesheet" href="https://fonts.example.org/css">',
    '<img alt="" src=https://example.org/a.png>',
    '<style>@import url("https://example.org/a.css");</style>',
]


@pytest.mark.parametrize("markup", LOADING)
def test_what_a_page_loads_from_elsewhere_is_noticed(markup: str) -> None:
    """Negative control of the check at the end of every build."""
    assert len(offline.external_loads(markup)) == 1
    assert "example.org" in offline.external_loads(markup)[0]


def test_links_and_local_files_are_no_loads() -> None:
    """A link waits for a click, and a relative address stays in the book."""
    page = '<a href="https://example.org">x</a><script src="_static/x.js"></script>'
    assert offline.external_loads(page + '<link rel="canonical" href="https://a.org/">') == []


def test_no_chapter_is_run_twice(monkeypatch, capsys) -> None:
    """The build runs the notebooks, then nbval's comparison reads that run; each kind is asked."""
    asked = []
    monkeypatch.setattr(everything, "browser", lambda: ("browser", True, "done"))
    monkeypatch.setattr(everything, "run", lambda *a: asked.append(a) or (a[0], True, "done"))
    monkeypatch.setattr(sys, "argv", ["everything.py"])
    assert everything.main() == 0
    kinds = [kind for kind, _ in asked]
    assert kinds == ["unit tests", "building the book", "notebooks", "structure"]
    assert [kind for kind, command in asked if "--nbval-lax" in command] == []
    monkeypatch.setattr(everything, "run", lambda *a: (a[0], a[0] != "notebooks", "1 failed"))
    assert everything.main() == 1
    assert "FAILED  notebooks" in capsys.readouterr().out


def test_no_browser_is_loud_and_under_ci_a_failure(monkeypatch, capsys) -> None:
    """Without a browser the summary says so; where CI=true it counts as a failure."""
    monkeypatch.setattr(chromium, "find", lambda: None)
    monkeypatch.setattr(chromium, "provide", lambda: None)
    monkeypatch.setenv("CI", "true")
    name, passed, closing = everything.browser()
    assert (name, passed) == ("browser", False) and closing.startswith("NO BROWSER")
    monkeypatch.delenv("CI")
    assert everything.browser()[1] is True
    assert "the pages were NOT opened" in capsys.readouterr().out


def test_a_browser_that_does_not_start_is_none(monkeypatch, tmp_path: Path) -> None:
    """A script named chromium that only tells where to get one is passed over."""
    answers = {"chromium": "echo Chromium; exit 1", "google-chrome": "echo Google Chrome 156"}
    for name, answer in answers.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{answer}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(chromium, "_playwrights_own", lambda: None)
    chromium.find.cache_clear()
    assert chromium.find() == str(tmp_path / "google-chrome")
    (tmp_path / "google-chrome").unlink()
    chromium.find.cache_clear()
    assert chromium.find() is None
    chromium.find.cache_clear()


def test_one_failing_kind_fails_the_whole_and_keeps_its_closing_line(capsys) -> None:
    """The summary carries pytest's own last line, and a bad exit status is not lost."""
    script = "print('===== 1 failed, 3 passed in 0.12s ====='); print('late'); raise SystemExit(1)"
    found = everything.run("units", [sys.executable, "-c", script])
    assert found == ("units", False, "1 failed, 3 passed in 0.12s")
    assert "late" in capsys.readouterr().out
    found = everything.run("build", [sys.executable, "-c", "print('file:///book')"])
    assert found == ("build", True, "file:///book")
