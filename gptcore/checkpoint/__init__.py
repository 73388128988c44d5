"""A model is kept: one folder per checkpoint, in Hugging Face's layout.

folders         save and load a model with its tokenizer
forms           what each kind of model is on disk
described       what others' config.json says, or what of it we cannot compute
published       the weights that others have published, by name
files           tensors in files, read when they are wanted
openai          GPT-1 as it was released
training_state  what resuming needs beside the weights
sources         where the model of a name lies: here, shipped, on the Hub
shipped         the models that come with the course, and the record of each
atomic          everything one save writes changes together
"""

from gptcore.checkpoint.folders import load, load_classifier, load_reward, restore, save
from gptcore.checkpoint.forms import saved_as
from gptcore.checkpoint.openai import load_openai_npy
from gptcore.checkpoint.training_state import load_training_state, save_training_state

__all__ = [
    "load",
    "load_classifier",
    "load_openai_npy",
    "load_reward",
    "load_training_state",
    "restore",
    "save",
    "save_training_state",
    "saved_as",
]
