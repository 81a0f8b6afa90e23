"""What kind of processor an instance type has, and which kind an image of AWS's is built for.

AWS builds its framework images for one kind each and says so in their names (`pytorch-inference:2.6.0-gpu-py312`,
`sagemaker-scikit-learn:1.2-1-cpu-py3`, `pytorch-inference-arm64:…`); a name that does not say so (XGBoost's, a custom
image's, a digest) is not judged. Source: `sagemaker.core.image_uris`, which costs seconds to import.
"""

from __future__ import annotations

import re
from typing import Literal

Processor = Literal["cpu", "gpu", "arm64", "neuron"]

WORDS: dict[str, str] = {
    "cpu": "processors (x86)",
    "gpu": "graphics cards",
    "arm64": "Graviton processors",
    "neuron": "Inferentia or Trainium",
}
"""What a person calls each kind."""

_FAMILY = re.compile(r"ml\.(?P<family>[a-z0-9-]+)\.")
_GRAVITON = re.compile(r"[a-z]+\d+g[a-z]*")


def of_instance(instance_type: str) -> Processor:
    """The kind of an instance type (`ml.g5.xlarge`); what is none of the special families has x86 processors."""
    match = _FAMILY.match(instance_type)
    family = match["family"] if match else ""
    if family.startswith(("inf", "trn")):
        return "neuron"
    if _GRAVITON.fullmatch(family):
        return "arm64"
    return "gpu" if family.startswith(("g", "p")) else "cpu"


def of_image(uri: str) -> Processor | None:
    """The kind that an image is built for, by its repository's name and tag; None where they do not say."""
    name = uri.partition("/")[2]
    if "-neuron" in name:
        return "neuron"
    if "-arm64" in name or "-graviton" in name:
        return "arm64"
    if "-gpu-py" in name:
        return "gpu"
    return "cpu" if "-cpu-py" in name else None


def mismatch(processor: str | None, instance_type: str) -> str | None:
    """What does not fit, in words; None where it fits, and for an image whose kind nobody says."""
    found = of_instance(instance_type)
    if not processor or processor == found:
        return None
    return f"the image is for {WORDS.get(processor, processor)}, and {instance_type} has {WORDS[found]}"
