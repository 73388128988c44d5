"""A kill at any moment leaves one whole checkpoint: the previous one or the new one."""

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import textwrap
import types

import pytest
import torch
from safetensors.torch import save_file
from small_models import make, same_weights

from gptcore import checkpoint
from gptcore.checkpoint import atomic, folders


def state_of(folder):
    """(step of the weights, step of the training state), read as a resuming run reads them."""
    model, _ = checkpoint.load(folder)
    steps = [seed for seed in (1, 2) if same_weights(model, make(n_layer=seed, seed=seed))]
    return *steps, checkpoint.load_training_state(folder)["step"]


def save_step(folder, step):  # another number of layers: config and weights must change together
    checkpoint.save(folder, make(n_layer=step, seed=step), training={"step": step})


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it to clean up."""


def dying_after(n):
    """A wrapper for functions that lets n calls of them through, all together, and no more."""
    calls = iter(range(n))

    def wrap(real):
        def call(*args, **kwargs):
            if next(calls, None) is None:
                raise Killed
            return real(*args, **kwargs)

        return call

    return wrap


def test_a_kill_before_any_system_call_leaves_one_whole_checkpoint(tmp_path, monkeypatch):
    """Stop at the n-th call that touches the disk, for every n, until a save gets through."""
    outcomes = []
    for n in range(100):
        folder = tmp_path / str(n)
        save_step(folder, 1)
        dying = dying_after(n)

        with monkeypatch.context() as patch:
            for name in ("rename", "replace", "fsync"):
                patch.setattr(atomic.os, name, dying(getattr(os, name)))
            patch.setattr(folders, "save_file", dying(save_file))
            patch.setattr(atomic.shutil, "rmtree", dying(atomic.shutil.rmtree))  # no clean-up
            patch.setattr(atomic.Path, "rmdir", dying(atomic.Path.rmdir))
            try:
                save_step(folder, 2)
                finished = True
            except Killed:
                finished = False
        outcomes.append(state_of(folder))
        names = {p.name for p in folder.iterdir()}
        assert ".complete" not in names
        if finished:
            assert not [name for name in names if name.startswith(".")]
            break
        save_step(folder, 2)  # the next save works and sweeps up what the killed one left
        assert state_of(folder) == (2, 2)
        assert not [p for p in folder.iterdir() if p.name.startswith(".")]
    switch = outcomes.index((2, 2))
    assert 5 < switch < len(outcomes) - 4  # kills on both sides of the decisive rename
    assert outcomes == [(1, 1)] * switch + [(2, 2)] * (len(outcomes) - switch)


def test_an_error_while_saving_leaves_the_previous_checkpoint_and_no_litter(tmp_path, monkeypatch):
    save_step(tmp_path, 1)
    before = sorted(p.name for p in tmp_path.iterdir())
    broken = types.SimpleNamespace(vocab_size=300, ends={})
    broken.save = lambda path: (_ for _ in ()).throw(OSError("disk full"))
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(tmp_path, make(seed=2), broken, training={"step": 2})
    assert state_of(tmp_path) == (1, 1)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_files_can_be_read_by_whom_the_user_lets_read(tmp_path):
    """safetensors makes its files private; a shared folder of checkpoints must not be."""
    (tmp_path / "other.txt").write_text("")
    save_step(tmp_path / "run", 1)
    modes = {p.stat().st_mode for p in (tmp_path / "run").iterdir()}
    assert modes == {(tmp_path / "other.txt").stat().st_mode}


class Windows:
    """The rules of Windows for files, on this system: what breaks one raises as it does there."""

    def __init__(self):
        self.open, self.fsync, self.replace = os.open, os.fsync, os.replace

    def refuse_folders(self, path, *args, **kwargs):
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return self.open(path, *args, **kwargs)

    def flush(self, handle):
        writable = fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
        if stat.S_ISREG(os.fstat(handle).st_mode) and not writable:
            raise OSError(errno.EBADF, "Bad file descriptor")
        self.fsync(handle)

    def replace_closed(self, new, old):
        with open("/proc/self/maps") as maps:
            if any(line.rstrip().endswith(str(old)) for line in maps):
                raise PermissionError(errno.EACCES, "Access is denied", str(old))
        self.replace(new, old)

    def rule(self, patch):
        patch.setattr(os, "open", self.refuse_folders)
        patch.setattr(os, "fsync", self.flush)
        patch.setattr(os, "replace", self.replace_closed)


needs_maps = pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="asks Linux for maps")


@needs_maps
def test_windows_lets_a_loaded_checkpoint_be_saved_again(tmp_path, monkeypatch):
    """Save, load, save; and resume, save: with model and state still in use."""
    Windows().rule(monkeypatch)
    checkpoint.save(tmp_path, make(seed=1), training={"step": 1, "moment": torch.ones(9, 9)})
    model, _ = checkpoint.load(tmp_path)
    state = checkpoint.load_training_state(tmp_path)
    checkpoint.save(tmp_path, make(n_layer=2, seed=2), training={"step": 2})
    assert state_of(tmp_path) == (2, 2)
    assert same_weights(model, make(seed=1)) and state["moment"].sum() == 81


@needs_maps
def test_windows_waits_for_a_reader_and_then_says_where_the_new_file_is(tmp_path, monkeypatch):
    """Negative control of the rule above: a file that is really mapped stops the save, once."""
    save_step(tmp_path, 1)
    monkeypatch.setattr(atomic, "PATIENCE", 0.01)
    with monkeypatch.context() as patch:
        Windows().rule(patch)
        mapped = torch.from_file(str(tmp_path / "model.safetensors"), size=16, dtype=torch.uint8)
        with pytest.raises(
            PermissionError, match=r"model\.safetensors cannot be replaced.*whole, in"
        ):
            save_step(tmp_path, 2)
        del mapped
    assert state_of(tmp_path) == (2, 2)


def test_a_share_that_knows_no_modes_and_no_flushing_of_folders_is_written_to(
    tmp_path, monkeypatch
):
    """FAT, some network shares: chmod is forbidden, a folder's fsync an invalid argument."""

    def fsync(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    def chmod(self, mode):
        raise PermissionError(errno.EPERM, "Operation not permitted", str(self))

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(atomic.Path, "chmod", chmod)
    save_step(tmp_path, 1)
    assert state_of(tmp_path) == (1, 1)


def test_a_disk_that_fails_is_an_error(tmp_path, monkeypatch):
    def fsync(handle):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error"):
        save_step(tmp_path, 1)
    assert not (tmp_path / "model.safetensors").exists()


def test_a_real_sigkill_leaves_weights_and_training_state_of_the_same_step(tmp_path):
    """A child saves steps without pause and is killed at moments of the clock's choice."""
    script = textwrap.dedent("""
        import sys
        sys.path.insert(0, sys.argv[2])
        import torch
        from gptcore.checkpoint import save
        from gptcore.config import GPTConfig
        from gptcore.model import GPT
        torch.set_num_threads(1)
        model = GPT(GPTConfig(vocab_size=9, n_ctx=4, n_layer=1, n_head=1, d_model=4)).eval()
        for step in range(10**9):
            with torch.no_grad():
                model.wpe.weight.fill_(step)
            save(sys.argv[1], model, training={"step": step, "again": torch.tensor(step)})
            print(step, flush=True)
    """)
    root = os.path.dirname(os.path.dirname(atomic.__file__))
    for pause in (1, 16):
        child = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), root], stdout=subprocess.PIPE, text=True
        )
        for _ in range(pause + 2):
            told = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        model, _ = checkpoint.load(tmp_path)
        state = checkpoint.load_training_state(tmp_path)
        assert model.wpe.weight.unique().tolist() == [state["step"]] == [state["again"].item()]
        assert state["step"] >= told
