"""Who speaks, who waits, and whose run it is, in processes that torchrun has started."""

import pytest
import torch
import torch.distributed as dist

from gptcore.train import processes
from gptcore.train.processes import World, join, leave, told_when_lost


class Store(dict):
    """What processes tell each other, as far as it is used here."""

    def check(self, keys) -> bool:
        return all(key in self for key in keys)

    def set(self, key, value) -> None:
        self[key] = value

    def add(self, key, n) -> int:
        self[key] = self.get(key, 0) + n
        return self[key]


def test_one_process_is_the_first_of_one():
    world = join()
    assert (world.rank, world.size, world.first) == (0, 1, True)
    assert world.one_then_all(lambda: 7) == 7
    assert world.device("cuda:3") == "cuda:3"  # whatever it is, nobody else takes it
    leave()


def test_a_pytorch_without_cuda_is_left_to_say_so(monkeypatch):
    """Naming its GPU must not end a process otherwise than `choose_device` would."""

    def lacking(device):
        raise AttributeError("module 'torch._C' has no attribute '_cuda_setDevice'")

    monkeypatch.setattr(torch.cuda, "set_device", lacking)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert World(3, 4).device("cuda") == "cuda:1"
    with pytest.raises(ValueError, match=r"device='cuda:1' must be auto, cpu or cuda for 4"):
        World(3, 4).device("cuda:1")


def test_a_number_that_is_none_of_the_processes_is_refused(monkeypatch):
    """It would wait for an answer of its own, and no signal could end it."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("2", "-1"):
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(ValueError, match=rf"RANK={rank} must be from 0 to 1"):
            join()


def test_a_run_goes_on_after_a_restart_only_if_the_job_has_begun_it(monkeypatch):
    """The first start never goes on by itself, and a restart not with what others have left."""
    world = World(0, 2, "job 1")
    assert not world.restarted("job 1")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert world.restarted("job 1")
    assert not world.restarted("job 2")
    assert not world.restarted(None)


def test_the_first_works_and_the_others_find_it_done():
    store, done = Store(), []
    World(0, 2, store=store).one_then_all(lambda: done.append(0))
    World(1, 2, store=store).one_then_all(lambda: done.append(1))
    assert done == [0, 1] and store.check(["ready"])

    class Awaited(Store):
        asked = 0

        def check(self, keys) -> bool:
            self.asked += 1
            return self.asked > 2  # by then the first process is ready

    store = Awaited()
    assert World(1, 2, store=store).one_then_all(lambda: store.asked) == 3


def test_only_the_first_to_fail_tells(monkeypatch):
    monkeypatch.setattr(processes, "_world", World(1, 2, store=Store()))
    assert [processes.tells() for _ in range(3)] == [True, False, False]


def test_a_lost_process_and_other_errors_are_told_apart(monkeypatch):
    monkeypatch.setattr(processes, "_world", World(0, 4))
    kept = "one of the 4 processes is gone: the checkpoint of update 30 stands; torchrun"
    for error in (RuntimeError("Connection closed by peer"), dist.DistBackendError("NCCL timeout")):
        with pytest.raises(ConnectionError, match=kept), told_when_lost(lambda: 30):
            raise error
    with pytest.raises(ConnectionError, match="no checkpoint"), told_when_lost(lambda: 0):
        raise RuntimeError("[gloo] Broken pipe")
    with pytest.raises(RuntimeError, match="shapes differ"), told_when_lost(lambda: 30):
        raise RuntimeError("shapes differ")


def test_an_old_pytorch_is_named(monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.8.1")
    with pytest.raises(ImportError, match=r"torch >= 2\.9, and this is 2\.8\.1: pip install"):
        processes._check_torch()
