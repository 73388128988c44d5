"""Several real processes, side by side, each running one function of a test.

They are forked from a server that has imported PyTorch once, so that they are there in a moment,
and they meet through a file, so that no port is needed.
"""

import multiprocessing
import pickle
import tempfile
import traceback

LONGEST = 120
"""Seconds after which processes that wait for each other are ended."""
CONTEXT = multiprocessing.get_context("forkserver")
# There is one such server in a process, and planted faults are tried by it, too: it must not have
# imported gptcore, or they would be tried on the package as it is.
CONTEXT.set_forkserver_preload(
    "pytest numpy torch._dynamo torch.distributed.fsdp".split()
    + ["torch.distributed.checkpoint.state_dict"]
)


def together(n: int, function, *args) -> list:
    """What `function(*args)` returns in each of n processes; None where one dies without a word."""
    with tempfile.TemporaryDirectory() as folder:
        pipes = [CONTEXT.Pipe(duplex=False) for _ in range(n)]
        store = f"file://{folder}/store"
        processes = [
            CONTEXT.Process(target=_one, args=(ours, rank, n, store, function, args), daemon=True)
            for rank, (_, ours) in enumerate(pipes)
        ]
        for process in processes:
            process.start()
        for _, ours in pipes:
            ours.close()
        try:
            found = [_received(theirs) for theirs, _ in pipes]
        finally:
            for process in processes:
                process.kill()
                process.join()
    failures = [text for failed, text in found if failed]
    assert not failures, "\n".join(failures)
    return [result for _, result in found]


def _received(pipe) -> tuple[bool, object]:
    if not pipe.poll(LONGEST):
        return True, "a process still waits for the others"
    try:
        return pickle.loads(pipe.recv_bytes())
    except EOFError:
        return False, None


def _one(pipe, rank: int, size: int, store: str, function, args) -> None:
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=size)
    try:
        result = pickle.dumps((False, function(*args)))  # by value: the sender will be gone
        pipe.send_bytes(result)
        dist.destroy_process_group()
    except BaseException:
        told = f"process {rank} of {size}: {traceback.format_exc()}"
        pipe.send_bytes(pickle.dumps((True, told)))
