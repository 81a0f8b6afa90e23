"""Signatures of versions: what is signed, by whom, and that nothing else passes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from model_package import signing
from model_package.errors import SignatureRefused, SigningKeyMissing
from model_package.signing import SigningKey, Statement

STATEMENT = Statement("tumor-triage", "a" * 64, "b" * 64, f"sha256:{'c' * 64}", "e" * 64)
STRIDE = 7


def make_key(folder: Path, name: str = "key.pem", passphrase: str | None = None) -> SigningKey:
    encryption: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    )
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    (folder / name).write_bytes(pem)
    return SigningKey(folder / name, passphrase)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return make_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def signature(key: SigningKey) -> bytes:
    return signing.sign(STATEMENT, key)


def test_a_signature_says_what_was_signed(key: SigningKey, signature: bytes) -> None:
    signing.verify(STATEMENT, signature, key.public_key())
    assert STATEMENT.key() == f"tumor-triage/{'a' * 64}/{'c' * 64}-{'e' * 64}.sig"


def test_a_statement_of_an_earlier_release_says_nothing_of_the_environment(key: SigningKey, signature: bytes) -> None:
    earlier = replace(STATEMENT, environment_digest="")
    assert earlier.key() == f"tumor-triage/{'a' * 64}/{'c' * 64}.sig"
    assert json.loads(earlier.text()) == {
        "service": "tumor-triage",
        "artifact_digest": "a" * 64,
        "object_sha256": "b" * 64,
        "image_digest": f"sha256:{'c' * 64}",
    }
    signing.verify(earlier, signing.sign(earlier, key), key.public_key())
    with pytest.raises(SignatureRefused, match=r"Signature mismatch"):
        signing.verify(earlier, signature, key.public_key())


@pytest.mark.parametrize("field", [field.name for field in fields(Statement)])
def test_one_other_character_of_what_was_signed_is_refused(field: str, key: SigningKey, signature: bytes) -> None:
    value = getattr(STATEMENT, field)
    other = replace(STATEMENT, **{field: f"{value[:-1]}{'d' if value[-1] != 'd' else 'e'}"})
    with pytest.raises(SignatureRefused, match=r"Signature mismatch"):
        signing.verify(other, signature, key.public_key())


def test_a_flipped_byte_of_the_signature_is_refused(key: SigningKey, signature: bytes) -> None:
    taken = []
    for index in [*range(0, len(signature), STRIDE), signature.index(b'","payloadType"') - 2]:
        broken = bytearray(signature)
        broken[index] ^= 1
        try:
            signing.verify(STATEMENT, bytes(broken), key.public_key())
            taken.append((index, bytes(broken)))
        except SignatureRefused as error:
            assert str(error).startswith(STATEMENT.key())
    assert taken == []


def test_another_key_is_refused(tmp_path: Path, key: SigningKey, signature: bytes) -> None:
    with pytest.raises(SignatureRefused, match=r"The public key hash in the signature"):
        signing.verify(STATEMENT, signature, make_key(tmp_path).public_key())
    hint = make_key(tmp_path, "other.pem")
    forged = signing.sign(STATEMENT, hint).replace(_hint(hint), _hint(key))
    with pytest.raises(SignatureRefused, match=r"the signature is not by the configured key"):
        signing.verify(STATEMENT, forged, key.public_key())


def _hint(key: SigningKey) -> bytes:
    import hashlib

    return hashlib.sha256(key.public_key().encode()).hexdigest().encode()


def test_a_key_with_a_passphrase_signs_and_tells_nobody(tmp_path: Path) -> None:
    locked = make_key(tmp_path, passphrase="open sesame")
    signing.verify(STATEMENT, signing.sign(STATEMENT, locked), locked.public_key())
    assert "sesame" not in repr(locked)
    with pytest.raises(SigningKeyMissing, match=r"UNDERSTUDY_SIGNING_KEY_PASSPHRASE does not open it"):
        signing.sign(STATEMENT, SigningKey(locked.path, "open barley"))


def test_the_environment_names_the_key(tmp_path: Path, key: SigningKey) -> None:
    assert signing.key_from({"UNDERSTUDY_SIGNING_KEY": "/k", "UNDERSTUDY_SIGNING_KEY_PASSPHRASE": "p"}) == SigningKey(
        Path("/k"), "p"
    )
    with pytest.raises(SigningKeyMissing, match=r"UNDERSTUDY_SIGNING_KEY is not set: set it to the path of the"):
        signing.key_from({})
    with pytest.raises(SigningKeyMissing, match=r"gone\.pem cannot be read: No such file"):
        SigningKey(tmp_path / "gone.pem").public_key()
    signing.check_pair(key, key.public_key())
    with pytest.raises(SigningKeyMissing, match=r"is not the other half of understudy:signing\.publicKey"):
        signing.check_pair(key, make_key(tmp_path).public_key())
    edwards = ed25519.Ed25519PrivateKey.generate()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "edwards.pem").write_bytes(edwards.private_bytes(*form))
    with pytest.raises(SigningKeyMissing, match=r"is no elliptic-curve key: make one of P-256"):
        SigningKey(tmp_path / "edwards.pem").public_key()


def test_a_public_key_is_read_from_the_project(tmp_path: Path, key: SigningKey) -> None:
    (tmp_path / "signing.pub").write_text(key.public_key())
    assert signing.read_public_key(tmp_path, "signing.pub") == key.public_key()
    with pytest.raises(SigningKeyMissing, match=r"understudy:signing\.publicKey: .*gone\.pub cannot be read"):
        signing.read_public_key(tmp_path, "gone.pub")
    (tmp_path / "signing.pub").write_text("no key")
    with pytest.raises(SigningKeyMissing, match=r"signing\.pub is no public key in PEM form"):
        signing.read_public_key(tmp_path, "signing.pub")


def test_a_key_made_with_openssl_as_documented(tmp_path: Path) -> None:
    for command in (
        "openssl ecparam -name prime256v1 -genkey -noout -out signing.key",
        "openssl ec -in signing.key -pubout -out signing.pub",
    ):
        subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    made = SigningKey(tmp_path / "signing.key")
    signing.check_pair(made, signing.read_public_key(tmp_path, "signing.pub"))
    signing.verify(STATEMENT, signing.sign(STATEMENT, made), (tmp_path / "signing.pub").read_text())


def test_the_library_is_imported_where_it_is_used() -> None:
    program = (
        "import sys, providers.model_signature, providers.verified_package; "
        "print(sorted({'model_signing', 'sigstore', 'cryptography'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
