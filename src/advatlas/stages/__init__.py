"""The stages of the pipeline, one module each: what a rule's script calls. Each reads files and writes files."""
