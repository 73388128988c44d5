"""Text to token ids and back: GPT-1's BPE and GPT-2's byte-level BPE.

words        cuts a text into the pieces that BPE never joins
bpe          learns merges, and applies them
vocabulary   which string has which id
tokenizer    all three as one immutable `Tokenizer`
files        the file formats of OpenAI and Hugging Face
"""

from gptcore.tokenizer.tokenizer import Tokenizer

__all__ = ["Tokenizer"]
