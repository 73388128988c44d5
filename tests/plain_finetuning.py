"""Fine-tuning written again in plain PyTorch, from strings to the loss, as an oracle for ours.

One row at a time, no batches, no padding, no masks of targets, softmax and LayerNorm by hand. Only
the names of the weights are ours.
"""

import math

import torch

N_CTX = 24


def ids_of(text):
    """GPT-2 orders the bytes from "!" on, and puts those that cannot be printed behind them."""
    return [220 if letter == " " else ord(letter) - 33 for letter in text]


def rows_of(row, form):
    """FACTS 1.4: each part cut to n_ctx / 2 - 2; a text alone to what the marks leave."""
    start, delimiter, extract = [257], [258], [259]
    half = N_CTX // 2 - 2
    text = ids_of(row["text"])
    if form == "classification":
        return [start + text[: N_CTX - 2] + extract]
    text = text[:half]
    if form == "choice":
        options = [ids_of(option)[:half] for option in row["choices"]]
        return [start + text + delimiter + option + extract for option in options]
    second = ids_of(row["text_b"])[:half]
    rows = [start + text + delimiter + second + extract]
    if form == "similarity":
        rows.append(start + second + delimiter + text + extract)
    return rows


def softmax(x):
    x = (x - x.max(-1, keepdim=True).values).exp()
    return x / x.sum(-1, keepdim=True)


def states(w, ids, n_head, norm):
    """(T, C): the last layer's states of one row."""
    x = w["wte.weight"][ids] + w["wpe.weight"][: len(ids)]
    n_layer = 1 + max(int(name.split(".")[1]) for name in w if name.startswith("h."))
    for i in range(n_layer):

        def linear(name, v, at=f"h.{i}."):
            return v @ w[at + name + ".weight"].T + w[at + name + ".bias"]

        def normed(name, v, at=f"h.{i}."):
            return layer_norm(v, w[at + name + ".weight"], w[at + name + ".bias"])

        def mlp(v, linear=linear):
            u = linear("mlp.c_fc", v)
            u = 0.5 * u * (1 + torch.tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u**3)))
            return linear("mlp.c_proj", u)

        def attention(v, linear=linear):
            heads = [part.chunk(n_head, -1) for part in linear("attn.c_attn", v).chunk(3, -1)]
            future = torch.ones(len(v), len(v)).triu(1).bool()
            read = []
            for q, k, value in zip(*heads, strict=True):
                scores = (q @ k.T / math.sqrt(q.shape[-1])).masked_fill(future, -math.inf)
                read.append(softmax(scores) @ value)
            return linear("attn.c_proj", torch.cat(read, -1))

        if norm == "post":
            x = normed("ln_1", x + attention(x))
            x = normed("ln_2", x + mlp(x))
        else:
            x = x + attention(normed("ln_1", x))
            x = x + mlp(normed("ln_2", x))
    return x if norm == "post" else layer_norm(x, w["ln_f.weight"], w["ln_f.bias"])


def layer_norm(x, gain, bias):
    centred = x - x.mean(-1, keepdim=True)
    return centred / ((centred**2).mean(-1, keepdim=True) + 1e-5).sqrt() * gain + bias


def answer_and_l1(w, row, form, n_head, norm):
    """The head's answer for one example, and the mean next-token loss of each of its rows."""
    read, losses = [], []
    for ids in rows_of(row, form):
        h = states(w, ids, n_head, norm)
        read.append(h[ids.index(259)])
        logits = h @ w["wte.weight"].T
        nll = [-softmax(logits[t])[ids[t + 1]].log() for t in range(len(ids) - 1)]
        losses.append(sum(nll) / len(nll))
    if form == "choice":
        return torch.cat([w["score"] @ state for state in read]), losses
    return w["score"] @ sum(read), losses


def loss(w, rows, form, aux, n_head=2, norm="post"):
    """L3 = L2 + λ L1, GPT-1 equations 4 and 5, with the sign turned and as means."""
    l2, l1 = [], []
    for row in rows:
        answer, losses = answer_and_l1(w, row, form, n_head, norm)
        if len(answer) == 1:
            l2.append((answer[0] - row["label"]) ** 2 / 2)
        else:
            l2.append(-softmax(answer)[row["label"]].log())
        l1 += losses
    return sum(l2) / len(l2) + aux * sum(l1) / len(l1)
