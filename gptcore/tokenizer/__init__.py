"""Text to token ids and back: GPT-1's BPE and GPT-2's byte-level BPE.

words        cuts a text into the pieces that BPE never joins
bpe          learns merges, and applies them
vocabulary   which string has which id
added        tokens that no merge makes, and how they are found in a text
tokenizer    all of it as one immutable `Tokenizer`
fast         the same ids from tiktoken
files        the file formats of OpenAI and Hugging Face
folder       what the other files of a tokenizer's folder say
"""

from gptcore.tokenizer.tokenizer import Tokenizer

__all__ = ["Tokenizer"]
