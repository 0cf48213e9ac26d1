"""The warm evaluator: a process that keeps models and adversarials loaded, and the light client that asks it."""
