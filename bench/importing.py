"""How long `import gptcore` takes once torch is there, in fresh processes, beside transformers.

python bench/importing.py
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from peers.timing import header, line, options

LIMIT = 0.2  # seconds beyond torch
OURS, THEIRS = "import gptcore", "from transformers import AutoTokenizer, GPT2LMHeadModel"


def main() -> None:
    """Print one table."""
    chosen = options(__doc__, threads=False).parse_args()
    runs = 2 if chosen.quick else chosen.runs
    print("Import, beyond torch, against transformers' model and tokenizer")
    header()
    times = [(seconds(OURS), seconds(THEIRS)) for _ in range(runs)]
    ours, theirs = (median(column) for column in zip(*times, strict=True))
    line(OURS, ours, theirs, f"<= {LIMIT} s")


def seconds(statement: str) -> float:
    """CPU time of one statement in a new process that has imported torch."""
    code = (
        f"import time, torch; t = time.process_time(); {statement}; print(time.process_time() - t)"
    )
    return float(subprocess.check_output([sys.executable, "-c", code], text=True).split()[-1])


if __name__ == "__main__":
    main()
