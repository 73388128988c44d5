"""What this proves: a record is enough to make a shipped model again, to the same bits here."""

import json
import runpy
from pathlib import Path

import pytest
import torch

from gptcore import load

ship = runpy.run_path(str(Path(__file__).parents[1] / "data" / "ship.py"))["ship"]
COMMAND = "gptcore train --out runs/small --preset tiny --tales 60 --steps 12 --warmup 2 --quiet"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A place that holds nothing but the record of a run."""
    record = tmp_path / "data" / "runs" / "small.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"command": COMMAND}))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    return tmp_path


def test_a_model_is_made_again_from_its_record(root, capfd):
    ship("small", root)
    checkpoint = root / "data" / "checkpoints" / "small"
    assert "136,832 parameters" in capfd.readouterr().out
    model, tokenizer = load(checkpoint)
    trained, _ = load(root / "runs" / "small")
    for name, p in trained.state_dict().items():
        assert torch.equal(model.state_dict()[name], p.half().float()), name
    assert tokenizer.vocab_size == model.config.vocab_size
    record = json.loads((root / "data" / "runs" / "small.json").read_text())
    assert record["command"].startswith(COMMAND)
    assert (record["seed"], record["tokens"]) == (0, 12 * 16 * 64)
    assert record["held_out"]["nats_per_token"] > 0

    before = (checkpoint / "model.safetensors").read_bytes()
    for path in (root / "runs" / "small").iterdir():
        if path.is_file():
            path.unlink()
    ship("small", root)
    assert (checkpoint / "model.safetensors").read_bytes() == before


def test_a_name_without_record_or_run_is_refused(root):
    with pytest.raises(SystemExit, match=r"other\.json is absent.*nothing to ship"):
        ship("other", root)
