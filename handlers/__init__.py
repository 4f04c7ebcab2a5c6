"""The functions, one module each; `handler` is what the runtime calls. Thin: the engine does the work."""
