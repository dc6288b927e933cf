"""The configuration: YAML into frozen settings, or every problem with its file, line and column."""
