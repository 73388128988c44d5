"""A calculator of training: a network, a text and devices in; days, memory and money out.

Source: GPT-3 Table 2.1 and App. D (compute); Rajbhandari et al. 2020, §3.1 (memory of training);
Korthikanti et al. 2022 (activations); data sheets of the three devices.
"""

from collections.abc import Mapping
from typing import Any

from traitlets import Bool, Float, Int, List, TraitError, Unicode, validate

from gptcore.config import PRESETS, GPTConfig
from gptcore.show.widgets import Explorer
from gptcore.sizes import STATE, Device, activations, parameter_counts, training_flops

__all__ = ["DEVICES", "TrainingCalculator"]

DEVICES: dict[str, Device] = {
    "V100, 32 GB": Device(32e9, 125e12),
    "A100, 80 GB": Device(80e9, 312e12),
    "H100, 80 GB": Device(80e9, 989e12),
}
"""Memory and peak in half precision, dense, of the data sheets."""


class TrainingCalculator(Explorer):
    """Sliders for a network, tokens, devices, utilisation and price, and what follows from them.

    The state of training is shared out evenly over the devices; each works on a context of its own.

    Args:
        models: name -> sizes; by default the eight of GPT-3.
        model, device: which are chosen at first.
        tokens: to read.
        devices: how many.
        utilisation: part of the peak that training reaches.
        price: for an hour of a device, in any currency.
        alt: the text alternative; by default what follows from what is chosen.

    Raises:
        TraitError: something chosen is not there, or a number is not above 0.
    """

    script = "calculator"
    models = List().tag(sync=True)
    """One dict per network: name, n (parameters), flops (to train on a token), kept (bytes of
    activations of one context) and again (the same, recomputed)."""
    kinds = List().tag(sync=True)
    """One dict per device: name, memory (bytes), flops (a second, peak)."""
    state_bytes = List().tag(sync=True)
    """[what, bytes a parameter] of what training keeps."""
    model, device = (Unicode().tag(sync=True) for _ in range(2))
    """Names of what is chosen."""
    tokens, utilisation, price = (Float().tag(sync=True) for _ in range(3))
    """What to read, which part of the peak is reached, what an hour costs."""
    devices = Int().tag(sync=True)
    """How many."""
    recompute = Bool(True).tag(sync=True)
    """Whether activations are computed again for the gradient."""

    def __init__(
        self,
        models: Mapping[str, GPTConfig] | None = None,
        *,
        model: str = "gpt3-175b",
        device: str = "A100, 80 GB",
        tokens: float = 300e9,
        devices: int = 1024,
        utilisation: float = 0.4,
        price: float = 2.0,
        recompute: bool = True,
        alt: str | None = None,
    ) -> None:
        if models is None:
            models = {k: config for k, config in PRESETS.items() if k.startswith("gpt3-")}
        given = [facts_of(name, config) for name, config in models.items()]
        chosen = {"tokens": tokens, "devices": devices, "utilisation": utilisation}
        super().__init__(
            alt="A calculator of training." if alt is None else alt,
            models=given,
            kinds=[{"name": k, "memory": d.memory, "flops": d.flops} for k, d in DEVICES.items()],
            state_bytes=[[name, size] for name, size in STATE.items()],
            model=model,
            device=device,
            price=price,
            recompute=recompute,
            **chosen,
        )
        if alt is None:
            self.alt = _describe(self)

    @validate("model", "device")
    def _is_there(self, proposal: dict[str, Any]) -> str:
        name, among = proposal["trait"].name, {"model": self.models, "device": self.kinds}
        names = [one["name"] for one in among[name]]
        if proposal["value"] not in names:
            known = ", ".join(names)
            raise TraitError(f"{name}={proposal['value']!r} must be one of {known}")
        return proposal["value"]

    @validate("tokens", "utilisation", "price", "devices")
    def _above_0(self, proposal: dict[str, Any]) -> float:
        name, value = proposal["trait"].name, proposal["value"]
        if not 0 < value < float("inf") or (name == "utilisation" and value > 1):
            rule = "above 0, and at most 1" if name == "utilisation" else "above 0"
            raise TraitError(f"{name}={value} must be {rule}")
        return value


def facts_of(name: str, config: GPTConfig) -> dict[str, Any]:
    """What the page has to know of a network: one dict of the trait `models`."""
    return {
        "name": name,
        "n": sum(parameter_counts(config).values()),
        "flops": training_flops(config),
        "kept": activations(config),
        "again": activations(config, recompute=True),
    }


def _describe(self: TrainingCalculator) -> str:
    """The outcome of what is chosen, in a sentence."""
    model = next(one for one in self.models if one["name"] == self.model)
    kind = next(one for one in self.kinds if one["name"] == self.device)
    seconds = model["flops"] * self.tokens / (self.devices * kind["flops"] * self.utilisation)
    state = sum(size for _, size in self.state_bytes) * model["n"] / self.devices
    memory = state + model["again" if self.recompute else "kept"]
    units = ((1e9, "GB"), (1e6, "MB"))
    unit, name = next(((one, name) for one, name in units if memory >= one / 10), (1e3, "kB"))
    devices = f"{self.devices:,} device" + "s" * (self.devices != 1)
    return (
        f"A calculator of training. {self.model} on {self.tokens:.3g} tokens with {devices} "
        f"({self.device}) at {self.utilisation:.0%} of their peak: "
        f"{seconds / 86_400:.1f} days, {memory / unit:.1f} {name} a device, "
        f"{self.devices * seconds / 3600 * self.price:,.0f} at {self.price:g} a device-hour."
    )
