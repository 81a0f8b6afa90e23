"""Passphrase secrets, in Pulumi's format.

`encryptionsalt: v1:<b64 8-byte salt>:v1:<b64 nonce>:<b64 AES-256-GCM of "pulumi">`; the key is
PBKDF2-HMAC-SHA256(passphrase, salt, 1,000,000 rounds). A ciphertext is `v1:<b64 nonce>:<b64 ciphertext and tag>`.
Source: sdk/go/common/resource/config/crypt.go and pkg/secrets/passphrase in pulumi/pulumi.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import threading
from pathlib import Path

from sandbox.engine.errors import EngineError

ROUNDS = 1_000_000
PROBE = "pulumi"
MALFORMED = "encryptionsalt: not of the form v1:<salt>:<probe>; restore it from version control"


def passphrase() -> str:
    """From PULUMI_CONFIG_PASSPHRASE, else the file PULUMI_CONFIG_PASSPHRASE_FILE names."""
    if "PULUMI_CONFIG_PASSPHRASE" in os.environ:
        return os.environ["PULUMI_CONFIG_PASSPHRASE"]
    if file := os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        try:
            return Path(file).read_text("utf-8").strip()
        except OSError as e:
            raise EngineError(f"PULUMI_CONFIG_PASSPHRASE_FILE {file}: {e.strerror}") from e
    raise EngineError("passphrase must be set with PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE")


class Crypter:
    """Encrypts and decrypts one stack's secrets. The key is derived once, when it is first needed."""

    def __init__(self, salt: str) -> None:
        try:
            version, raw, self._probe = salt.split(":", 2)
            self._raw = base64.b64decode(raw, validate=True)
        except ValueError as e:
            raise EngineError(MALFORMED) from e
        if version != "v1":
            raise EngineError(MALFORMED)
        self.salt = salt
        self._key: bytes | None = None
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}  # plaintext -> ciphertext: what did not change is not written anew

    @classmethod
    def create(cls) -> Crypter:
        """A crypter with a new salt for the passphrase of the environment."""
        raw = os.urandom(8)
        key = _derive(passphrase(), raw)
        crypter = cls(f"v1:{base64.b64encode(raw).decode()}:{_seal(key, PROBE)}")
        crypter._key = key
        return crypter

    def key(self) -> bytes:
        """The key. Raises EngineError when the passphrase is not the stack's."""
        with self._lock:
            if self._key is None:
                key = _derive(passphrase(), self._raw)
                if _open(key, self._probe) != PROBE:
                    raise EngineError("incorrect passphrase")
                self._key = key
            return self._key

    def encrypt(self, text: str) -> str:
        if text not in self._known:
            self._known[text] = _seal(self.key(), text)
        return self._known[text]

    def decrypt(self, ciphertext: str, where: str) -> str:
        """The text of a ciphertext found at `where`. Raises EngineError when it does not authenticate."""
        text = _open(self.key(), ciphertext)
        if text is None:
            raise EngineError(f"{where}: the secret does not authenticate; it was altered, or belongs to another stack")
        self._known.setdefault(text, ciphertext)
        return text


@functools.lru_cache(maxsize=8)
def _derive(phrase: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", phrase.encode(), salt, ROUNDS, 32)


def _seal(key: bytes, text: str) -> str:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(12)
    sealed = AESGCM(key).encrypt(nonce, text.encode(), None)
    return f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"


def _open(key: bytes, ciphertext: str) -> str | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        version, nonce, sealed = ciphertext.split(":")
        if version != "v1":
            return None
        return AESGCM(key).decrypt(base64.b64decode(nonce), base64.b64decode(sealed), None).decode()
    except (InvalidTag, ValueError):
        return None
