"""Stub while rivals are being trained."""


def pretrained_rivals(): ...
