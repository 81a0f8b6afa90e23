"""Signatures of registered versions, by a key of one's own and without any service (library: model-signing).

What is signed is a statement of what the version is: its service, the digest of its artifact, the SHA-256 of the
artifact's object and the digests of its image and of its container's environment. The signature is a Sigstore bundle
around an in-toto statement over that text; any EC key of the curves P-256, P-384 and P-521 signs, its public half
verifies.

The library takes most of a second to import (it brings Sigstore, which is not used), so it is imported where used.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model_package.errors import SignatureRefused, SigningKeyMissing

KEY_VARIABLE = "UNDERSTUDY_SIGNING_KEY"
PASSPHRASE_VARIABLE = "UNDERSTUDY_SIGNING_KEY_PASSPHRASE"  # noqa: S105  (a variable's name)


@dataclass(frozen=True)
class Statement:
    """What a version is. `image_digest` is `sha256:…`, the other digests 64 lower-case hex digits.

    Releases before the environment was part of it signed without: `environment_digest` is empty then, and not said.
    """

    service: str
    artifact_digest: str
    object_sha256: str
    image_digest: str
    environment_digest: str = ""

    def key(self) -> str:
        """Where its signature is, beside the artifact: one artifact may run in several images and environments."""
        container = "-".join(filter(None, (self.image_digest.removeprefix("sha256:"), self.environment_digest)))
        return f"{self.service}/{self.artifact_digest}/{container}.sig"

    def text(self) -> str:
        """The signed bytes."""
        said = {name: value for name, value in asdict(self).items() if value or name != "environment_digest"}
        return json.dumps(said, sort_keys=True)


@dataclass(frozen=True)
class SigningKey:
    """A private key in a PEM file, with its passphrase if it has one. It exists in this process only."""

    path: Path
    passphrase: str | None = None

    def __repr__(self) -> str:
        return f"SigningKey({self.path})"

    def public_key(self) -> str:
        """Its public half, PEM. Raises SigningKeyMissing for what is no usable EC key."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        passphrase = self.passphrase.encode() if self.passphrase else None
        try:
            key = serialization.load_pem_private_key(self.path.read_bytes(), passphrase)
        except OSError as error:
            raise SigningKeyMissing(f"{KEY_VARIABLE}: {self.path} cannot be read: {error.strerror}") from None
        except (ValueError, TypeError, UnsupportedAlgorithm):
            # The library's words may quote the file.
            raise SigningKeyMissing(
                f"{KEY_VARIABLE}: {self.path} is no private key in PEM form, or {PASSPHRASE_VARIABLE} does not open it"
            ) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise SigningKeyMissing(f"{KEY_VARIABLE}: {self.path} is no elliptic-curve key: make one of P-256")
        return _pem(key.public_key())


def key_from(environment: Mapping[str, str]) -> SigningKey:
    """The key that the environment names. Raises SigningKeyMissing."""
    path = environment.get(KEY_VARIABLE)
    if not path:
        raise SigningKeyMissing(
            f"versions are signed here (understudy:signing), and {KEY_VARIABLE} is not set: set it to the path of the "
            "private key"
        )
    return SigningKey(Path(path), environment.get(PASSPHRASE_VARIABLE) or None)


def read_public_key(root: Path, path: str) -> str:
    """The configured public key, PEM. Raises SigningKeyMissing naming the setting."""
    from cryptography.hazmat.primitives import serialization

    where = "understudy:signing.publicKey"
    try:
        text = (root / path).read_text(encoding="utf-8")
        serialization.load_pem_public_key(text.encode())
    except OSError as error:
        raise SigningKeyMissing(f"{where}: {root / path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise SigningKeyMissing(f"{where}: {root / path} is no public key in PEM form") from None
    return text


def check_pair(key: SigningKey, public_key: str) -> None:
    """Raises SigningKeyMissing unless `public_key` (PEM) is the key's other half."""
    from cryptography.hazmat.primitives import serialization

    if key.public_key() != _pem(serialization.load_pem_public_key(public_key.encode())):
        raise SigningKeyMissing(
            f"{KEY_VARIABLE}: {key.path} is not the other half of understudy:signing.publicKey: production would "
            "refuse what it signs; name the right key"
        )


def sign(statement: Statement, key: SigningKey) -> bytes:
    """The statement's signature. Raises SigningKeyMissing."""
    key.public_key()
    from model_signing import signing

    config: Any = signing.Config()  # type: ignore[no-untyped-call]

    with _laid_out(statement) as (subject, signature):
        # The library hands the passphrase on as it is, to what wants bytes.
        passphrase = key.passphrase.encode() if key.passphrase else None
        config.use_elliptic_key_signer(private_key=key.path, password=passphrase).sign(subject, signature)
        return signature.read_bytes()


def verify(statement: Statement, signature: bytes, public_key: str) -> None:
    """Raises SignatureRefused unless `signature` is of this statement and by the key of `public_key` (PEM)."""
    from cryptography.exceptions import InvalidSignature
    from model_signing import verifying

    config: Any = verifying.Config()  # type: ignore[no-untyped-call]

    with _laid_out(statement) as (subject, file):
        file.write_bytes(signature)
        key = file.with_name("key.pem")
        key.write_text(public_key)
        try:
            _check_form(signature)
            config.use_elliptic_key_verifier(public_key=key).verify(subject, file)
        except InvalidSignature:
            raise SignatureRefused(f"{statement.key()}: the signature is not by the configured key") from None
        except Exception as error:
            # A signature is hostile input, and what the library raises for a broken one differs from break to break.
            raise SignatureRefused(
                f"{statement.key()}: {' '.join(str(error).split()) or type(error).__name__}"
            ) from None


def _check_form(signature: bytes) -> None:
    """Base64 that ends in bits which mean nothing has two spellings; only the one that a signer writes is taken."""
    envelope = json.loads(signature)["dsseEnvelope"]
    for text in (envelope["payload"], *(each["sig"] for each in envelope["signatures"])):
        if base64.b64encode(base64.b64decode(text)).decode() != text:
            raise ValueError("it is not in canonical Base64")


@contextlib.contextmanager
def _laid_out(statement: Statement) -> Iterator[tuple[Path, Path]]:
    """The statement as the library wants it, a folder of files; and where the signature goes, beside it."""
    with tempfile.TemporaryDirectory(prefix="understudy-") as folder:
        subject = Path(folder) / "version"
        subject.mkdir()
        (subject / "statement.json").write_text(statement.text())
        yield subject, Path(os.fspath(subject) + ".sig")


def _pem(key: object) -> str:
    from cryptography.hazmat.primitives import serialization

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    text: bytes = key.public_bytes(serialization.Encoding.PEM, form)  # type: ignore[attr-defined]
    return text.decode()
