"""A pre-training run of seconds, on a text of a few words, which several test files use."""

from pathlib import Path

from gptcore.config import GPTConfig
from gptcore.optim import OptimConfig
from gptcore.train.corpus import DataConfig
from gptcore.train.pretrain import PretrainConfig, RunConfig

MODEL = GPTConfig(vocab_size=300, n_ctx=16, n_layer=1, n_head=2, d_model=16, norm="post")
TEXT = "the cat sat on the mat and the dog sat on the cat . " * 60


def config(tmp_path: Path, steps: int = 12, **run) -> PretrainConfig:
    """A run in `tmp_path/out`, scored and saved after every five updates."""
    (tmp_path / "cats.txt").write_text(TEXT)
    return PretrainConfig(
        out=tmp_path / "out",
        model=MODEL,
        optim=OptimConfig(lr=1e-2, warmup=4),
        data=DataConfig(text=(tmp_path / "cats.txt",)),
        run=RunConfig(steps=steps, batch_size=4, eval_every=5, save_every=5, **run),
        command="gptcore train ...",
    )
