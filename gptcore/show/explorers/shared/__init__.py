"""What explorers have in common: texts and tokens in Python, a toolkit of JavaScript, styles."""
