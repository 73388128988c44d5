"""A model is kept: one folder per checkpoint, in Hugging Face's layout.

folders         save and load a model with its tokenizer
forms           what each kind of model is on disk
published       the weights that others have published, by name
training_state  what resuming needs beside the weights
sources         where the model of a name lies: here, shipped, on the Hub
shipped         the models that come with the course, and the record of each
atomic          everything one save writes changes together
"""

from gptcore.checkpoint.folders import load, load_classifier, load_openai_npy, restore, save
from gptcore.checkpoint.forms import saved_as
from gptcore.checkpoint.training_state import load_training_state, save_training_state

__all__ = [
    "load",
    "load_classifier",
    "load_openai_npy",
    "load_training_state",
    "restore",
    "save",
    "save_training_state",
    "saved_as",
]
