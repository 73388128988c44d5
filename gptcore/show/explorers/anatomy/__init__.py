"""The parts of a GPT: shapes, parameters, FLOPs, code."""
