"""Signatures of steps 12 and 13: who may put one, and over what."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

from controller import sop
from controller.errors import FormError
from controller.form import keys
from controller.form.json import canonical, digest, digest_of_signatures
from controller.form.model import FINISHED, Form, Signature
from controller.form.wording import MODES, word
from controller.records.record import timestamp
from controller.text import Text

PURPOSE = "pasang form signature 1"
"""Stands in what is signed, so that a signature of this key made for something else never counts here."""
PURPOSE_LATER = "pasang form signature 2"
"""Of a signature that covers those before it: one of them cannot be taken out unseen."""


def signed_bytes(number: str, signature: Signature) -> bytes:
    """What a signature covers: the digest of the record, who says so, as what, and when; and the signatures before."""
    return canonical(
        {
            **({"purpose": PURPOSE_LATER, "earlier": signature.earlier} if signature.earlier else {"purpose": PURPOSE}),
            "number": number,
            "digest": signature.digest,
            "as": signature.role,
            "name": signature.name,
            "at": signature.at,
        }
    ).encode("utf-8")


def sign(form: Form, *, role: str, name: str, folder: Path, at: datetime) -> dict[str, str]:
    """Signs a form.

    Args:
        form: as it stands; finished.
        role: ``user`` (step 12) or ``staf_ti`` (step 13; at the user's place beside the user's own).
        name: the person's.
        folder: of the keys.
        at: the time of the signature.

    Returns:
        The fields of the ``signed`` record, its ``at`` among them, for that is signed too.

    Raises:
        FormError: this form cannot be signed in this role, or the key cannot be used.
    """
    _check(form, role)
    key = keys.signing_key(folder, name)
    unsigned = Signature(
        role=role,
        name=keys.tidy_name(name),
        at=timestamp(at),
        key=keys.public_key(key),
        digest=digest(form),
        signature="",
        earlier=digest_of_signatures(form.signatures),
    )
    signature = base64.b64encode(key.sign(signed_bytes(form.number, unsigned))).decode()
    return {
        "at": unsigned.at,
        "as": unsigned.role,
        "name": unsigned.name,
        "key": unsigned.key,
        "digest": unsigned.digest,
        "signature": signature,
        **({"earlier": unsigned.earlier} if unsigned.earlier else {}),
    }


def is_valid(number: str, signature: Signature, record_digest: str, earlier: Sequence[Signature]) -> bool:
    """Whether a signature is over this record and by the key that it names.

    Args:
        number: the form's.
        signature: the one in question.
        record_digest: of the record as it stands.
        earlier: the signatures that stand before it; one that covers such must cover these.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if signature.digest != record_digest or not is_in_its_place(signature, earlier):
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(signature.key, validate=True))
        key.verify(base64.b64decode(signature.signature, validate=True), signed_bytes(number, signature))
    except (InvalidSignature, ValueError):
        return False
    return True


def is_in_its_place(signature: Signature, earlier: Sequence[Signature]) -> bool:
    """Whether the signatures before it are those that it covers. Those of an earlier version cover none."""
    return signature.earlier in ("", digest_of_signatures(earlier))


def valid_signatures(form: Form) -> tuple[Signature, ...]:
    """The signatures of a form that hold for it as it stands."""
    current = digest(form) if form.signatures else ""
    signed = form.signatures
    return tuple(one for at, one in enumerate(signed) if is_valid(form.number, one, current, signed[:at]))


def unsigned_roles(mode: str, outcome: str, location: str, signed: Collection[str]) -> tuple[str, ...]:
    """The roles that can sign such a form and have not, the one that ends it (step 12 or 13) first."""
    if mode != "install" or outcome not in FINISHED:
        return ()
    of_user = (sop.Actor.USER.value,) if location == sop.Location.USER else ()
    return tuple(role for role in (*of_user, sop.Actor.STAF_TI.value) if role not in signed)


def _check(form: Form, role: str) -> None:
    if role not in (sop.Actor.USER, sop.Actor.STAF_TI):
        raise _refused(
            form,
            Text(f"peran “{role}” tidak menandatangani form", f"the role “{role}” does not sign forms"),
            Text("pakai `--as user` atau `--as staf_ti`", "use `--as user` or `--as staf_ti`"),
        )
    if form.mode != "install":
        work = word(MODES, form.mode)
        find = f"pasang form list --host {form.host} --software {form.software.get('name', '')}"
        raise _refused(
            form,
            Text(
                f"form {work.id} tidak ditandatangani: yang ditandatangani adalah form pemasangan (langkah 12 atau 13)",
                f"a form of this kind ({work.en}) is not signed: steps 12 and 13 sign the form of an installation",
            ),
            Text(f"cari form pemasangannya dengan `{find}`", f"find the form of the installation with `{find}`"),
        )
    if not form.is_finished:
        raise _refused(form, *NOT_YET.get(form.outcome, _NEVER))
    if role == sop.Actor.USER and form.location is sop.Location.DATA_CENTER:
        raise _refused(
            form,
            Text("form Data Center ditandatangani Staf TI", "a form of the data centre is signed by IT staff"),
            Text("pakai `--as staf_ti`", "use `--as staf_ti`"),
        )
    before = next((s for s in valid_signatures(form) if s.role == role), None)
    if before:
        raise _refused(
            form,
            Text(f"sudah ditandatangani oleh {before.name}", f"already signed by {before.name}"),
            Text("tidak ada yang perlu dilakukan", "there is nothing left to do"),
        )


NOT_YET = {
    "running": (
        Text("pekerjaan di komputer itu belum selesai", "the work on that computer is not over"),
        Text("tunggu, atau jalankan `pasang resume`", "wait, or run `pasang resume`"),
    ),
    "awaiting_decision": (
        Text("langkah 9 masih menunggu keputusan", "step 9 still waits for a decision"),
        Text("putuskan dengan `pasang form decide`", "decide with `pasang form decide`"),
    ),
    "awaiting_reboot": (
        Text("komputer itu masih menunggu dinyalakan ulang", "that computer still waits for its reboot"),
        Text("tunggu jamnya, lalu jalankan `pasang resume`", "wait for the time, then run `pasang resume`"),
    ),
}
_NEVER = (
    Text("SW pada form ini tidak sampai dapat digunakan", "the software of this form cannot be used"),
    Text(
        "lihat sebabnya dengan `pasang form show`, lalu pasang kembali dengan form baru",
        "see why with `pasang form show`, then install again on a new form",
    ),
)


def _refused(form: Form, what: Text, hint: Text) -> FormError:
    return FormError(what, where=form.number, hint=hint)
