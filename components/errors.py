"""What a person has to put right before the program can make its resources; each is a sentence, not a stack trace.

MistakeError
├── LayerMissingError       function_code: the functions' libraries are not installed
├── TransformMissingError   traffic_replay: a transformation that the use case does not have
├── CandidateMissingError   inference_service: a shadow variant's use case was never trained
└── OwnAccountError         vending: a grant to the account that the stack is in
"""

from __future__ import annotations


class MistakeError(Exception):
    """Base of the components' errors; its text says what, where and what to do."""
