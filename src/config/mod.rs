//! The one guarded way to read YAML, and value types shared by the tools.
