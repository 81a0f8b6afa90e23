"""Pulumi's `aws` resource provider over botocore: one table of types and a generic interpreter.

`types/*.yaml` say what a type is (names, what replaces, defaults, AWS calls); the modules here know nothing of a
particular AWS service. `hooks/` holds the few types that need code. `python -m sandbox.aws_provider` serves it.
"""
