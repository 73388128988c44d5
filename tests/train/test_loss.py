"""What an update minimises: sums and counts, nothing to score, and models in wrappers."""

import pytest
import torch
from short_runs import OPTIM, Listed, batches, curve, new, run, same
from torch import nn
from torch.nn import functional as F

from gptcore import checkpoint
from gptcore.modes import bare
from gptcore.optim import OptimConfig
from gptcore.train.loop import fit, has_run

STILL = OptimConfig(lr=1e-2, warmup=0, eps=1.0)  # a small eps would show only signs


def random(rows, seed=1, unscored=()):
    generator = torch.Generator().manual_seed(seed)
    ids, targets = torch.randint(0, 20, (2, rows, 8), generator=generator)
    targets[list(unscored)] = -100
    return ids, targets


def plain(model, batch):
    """A mean, by PyTorch alone; of nothing it is NaN."""
    return F.cross_entropy(model(batch[0]).flatten(0, 1), batch[1].flatten())


def summed(model, batch):
    """A sum and a count, by PyTorch alone."""
    total = F.cross_entropy(model(batch[0]).flatten(0, 1), batch[1].flatten(), reduction="sum")
    return total, (batch[1] != -100).sum()


def whole_numbers(model, batch):
    total, count = summed(model, batch)
    return total, int(count)


LOSSES = [None, plain, summed, whole_numbers]


@pytest.mark.parametrize("loss_fn", LOSSES)
@pytest.mark.parametrize("empty", [0, 1, 2])
def test_a_batch_with_nothing_to_score_adds_nothing(loss_fn, empty):
    """Three batches, one of them all -100: the update is that of the two others as one batch."""
    rows = range(2 * empty, 2 * empty + 2)
    ids, targets = random(6, unscored=(*rows, 5 if empty == 0 else 0))
    kept = [i for i in range(6) if i not in rows]
    expected, found = new(dropout=0.0), new(dropout=0.0)
    (one,) = fit(expected, Listed([(ids[kept], targets[kept])]), STILL, 1, loss_fn=plain)
    parts = Listed(list(zip(ids.split(2), targets.split(2), strict=True)))
    (three,) = fit(found, parts, STILL, 1, accumulate=3, loss_fn=loss_fn)
    assert three.loss == pytest.approx(one.loss, abs=1e-6)
    assert three.grad_norm == pytest.approx(one.grad_norm, abs=1e-6)
    for p, q in zip(found.parameters(), expected.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-6)


@pytest.mark.parametrize("loss_fn", LOSSES)
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_an_update_with_nothing_to_score_is_named(tmp_path, loss_fn, accumulate, precision):
    """The third update: the weights of the second stay, and its checkpoint is not overwritten."""
    empty = random(2, unscored=(0, 1))
    model = new()
    items = Listed([*(random(2, seed) for seed in range(2 * accumulate)), *[empty] * accumulate])
    options = {"accumulate": accumulate, "loss_fn": loss_fn, "precision": precision}
    steps = fit(model, items, STILL, 9, checkpoint_dir=tmp_path, save_every=1, **options)
    next(steps), next(steps)
    before = [p.clone() for p in model.parameters()]
    with pytest.raises(ValueError, match="update 3 has nothing to score: every target.* -100"):
        next(steps)
    assert all(torch.equal(p, q) for p, q in zip(before, model.parameters(), strict=True))
    assert checkpoint.load_training_state(tmp_path)["step"] == 2
    assert all(p.grad is None for p in model.parameters())


def test_the_count_of_the_loss_decides_and_not_the_batch():
    """Scored are the first two positions of one batch and the last six of the other."""
    (a, b), spans = (random(2, 1), random(2, 2)), iter([(0, 2), (2, 8)])

    def part(model, batch):
        start, stop = next(spans)
        ids, targets = batch
        logits = model(ids)[:, start:stop].flatten(0, 1)
        nats = F.cross_entropy(logits, targets[:, start:stop].flatten(), reduction="sum")
        return nats, 2 * (stop - start)

    (step,) = fit(new(dropout=0.0), Listed([a, b]), STILL, 1, accumulate=2, loss_fn=part)
    model = new(dropout=0.0)
    nats = torch.cat(
        [model.loss(*a, "none")[:, :2].flatten(), model.loss(*b, "none")[:, 2:].flatten()]
    )
    assert step.loss == pytest.approx(nats.mean().item(), abs=1e-5)  # of 4 and 12 positions


def test_a_batch_of_one_tensor_weighs_one():
    def square(model, batch):
        return model(batch[0]).square().mean()

    a, b = random(2, 1)[:1], random(2, 2)[:1]
    (step,) = fit(new(dropout=0.0), Listed([a, b]), STILL, 1, accumulate=2, loss_fn=square)
    model = new(dropout=0.0)
    assert step.loss == pytest.approx((square(model, a) + square(model, b)).item() / 2, abs=1e-6)


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (lambda loss: loss.item(), TypeError, r"returned float .*must return \(sum, count\)"),
        (lambda loss: (loss, 3, 4), TypeError, r"returned tuple .*must return \(sum, count\)"),
        (lambda loss: loss[None], ValueError, r"tensor of shape \(1,\); it must be one sum"),
        (lambda loss: (loss, torch.ones(2)), ValueError, r"tensor of shape \(2,\)"),
    ],
)
def test_a_loss_function_of_another_kind_is_named(returned, error, message):
    with pytest.raises(error, match=message):
        run(loss_fn=lambda model, batch: returned(model.loss(*batch)))


def test_a_model_with_nothing_but_a_mean_is_trained():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.table = nn.Embedding(20, 20)

        def loss(self, ids, targets):
            return F.cross_entropy(self.table(ids).flatten(0, 1), targets.flatten())

    optim = OptimConfig(lr=0.3, warmup=0)
    losses = [step.loss for step in fit(Own(), batches(), optim, 30, accumulate=2)]
    assert losses[-1] < losses[0] - 0.5


def test_a_gradient_that_the_caller_left_is_not_part_of_the_first_update():
    model = new(dropout=0.0)
    (model.loss(*random(2)) * 100).backward()
    assert run(model, steps=6)[1] == run(new(dropout=0.0), steps=6)[1]


# ---------------------------------------------------------------- wrappers


def compiled(model):
    return torch.compile(model, backend="eager")


@pytest.fixture
def process_group(tmp_path):
    dist = torch.distributed
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


WRAPPERS = {
    "compiled": compiled,
    "averaged": torch.optim.swa_utils.AveragedModel,
    "parallel": nn.parallel.DistributedDataParallel,
}


@pytest.mark.filterwarnings("default")  # the compiler looks at what warns when looked at
@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapper_is_seen_through(name, tmp_path, process_group):
    """The run is that of the bare model, bit for bit; so is what is evaluated, saved, resumed."""
    kinds = []

    def eval_fn(model):
        kinds.append((type(model).__name__, model.training))
        return model.loss(*random(2)).item()

    options = {"eval_fn": eval_fn, "eval_every": 3}
    expected, records = run(steps=8, **options)
    folder = tmp_path / "run"
    steps = fit(WRAPPERS[name](new()), batches(), OPTIM, 8, checkpoint_dir=folder, **options)
    first = [curve(next(steps)) for _ in range(5)]
    steps.close()
    again = WRAPPERS[name](new(seed=5))
    rest = fit(again, batches(), OPTIM, 8, checkpoint_dir=folder, resume=True, **options)
    assert first + [curve(step) for step in rest] == records
    assert same(bare(again), expected)
    assert same(checkpoint.load(folder)[0], expected)
    assert set(kinds) == {("GPT", False)}


def test_the_loss_goes_through_the_wrapper(process_group):
    """DistributedDataParallel adds gradients up in what surrounds its forward pass."""
    wrapper = nn.parallel.DistributedDataParallel(new())
    calls = []
    wrapper.register_forward_hook(lambda *_: calls.append(1))
    for _ in fit(wrapper, batches(), OPTIM, 6):
        pass
    assert len(calls) == 6
    assert "forward" not in vars(wrapper.module)


def test_a_loss_function_gets_the_wrapper():
    model, kinds = nn.DataParallel(new()), []

    def loss(model, batch):
        kinds.append(model)
        return plain(model, batch)

    for _ in fit(model, batches(), OptimConfig(warmup=0), 2, loss_fn=loss):
        bare(model).eval()  # the mode of what is inside counts
        assert kinds[-1] is model
    assert bare(model).training is False


def test_a_model_that_cannot_be_saved_is_refused_before_it_is_trained(tmp_path):
    model = nn.Sequential(nn.Embedding(20, 8), nn.Linear(8, 20))
    with pytest.raises(TypeError, match="model is a Sequential: what can be saved is a GPT, an"):
        fit(model, batches(), OPTIM, 20, loss_fn=plain, checkpoint_dir=tmp_path)
    assert not has_run(tmp_path)
    assert len(list(fit(model, batches(), OPTIM, 6, loss_fn=plain))) == 6
