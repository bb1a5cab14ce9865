"""Steps 4 to 11 of the procedure on this computer, and what each mode does of them.

Every method does what the journal says is not done yet, so that a run which was interrupted anywhere goes on by calling
``carry_out`` again.
"""

from __future__ import annotations

import os
import time

from agent import alone, requirements
from agent.journal import JournalError
from agent.kept import load, record_path
from agent.payloads import payloads_of
from agent.platforms import matches
from agent.protocol import ProtocolError, text
from agent.run import AFTER_A_CHANGE, Halted, Run, StepFailed, Waiting, join, unexpected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


FALLS = 3
"""So often may the computer go down in the middle, unasked: so that it does not for ever."""


class Procedure(Run):
    """The procedure of the SOP over one run."""

    def carry_out(self) -> None:
        """Do what the plan's mode asks, to the ``run_ended`` record, or to ``waiting`` for a decision.

        Raises:
            OSError: the journal cannot be written.
        """
        if len(self.ledger.boots) > 1:
            self.ready = self.host.ready()
        self.facts = self.host.facts()
        chosen = self.choose_variant()
        if not chosen:
            self.end("not_eligible", 4, (self.ledger.variant or {}).get("reason"))
            return
        try:
            getattr(self, "do_" + self.plan["mode"])()
        except Waiting as waiting:
            self.note("waiting", durable=True, **waiting.fields)
        except Halted as halted:
            self.end("not_started", halted.step, halted.reason)
        except (OSError, ProtocolError):
            raise
        except Exception as error:  # noqa: BLE001 - the form must say how the computer was left, whatever happened
            self.end("needs_person", 8, unexpected(error), rollback=None)

    # -- what each mode does -------------------------------------------------------------------------------------------

    def do_check(self) -> None:
        """Step 4 alone."""
        unmet = self.check_requirements()
        self.end("not_eligible" if unmet else "eligible", 4, unmet)

    def do_plan(self) -> None:
        """Step 4, and what every action would find; changes nothing."""
        unmet = self.check_requirements()
        present = [self.detect(5, "install", i, s).present for i, s in enumerate(self.section("install"))]
        present += [self.detect(6, "run", i, s).present for i, s in self.actions("run")]
        if self.choice()[0] is not False:
            present += [self.detect(10, "configure", i, s).present for i, s in self.actions("configure")]
        payloads = [self.plan["payloads"][name] for name in payloads_of(self.variant)]
        missing = [p for p in payloads if not all(present) and not os.path.exists(self.host.blob(p["digest"]))]
        sent_bytes = sum(p["size_bytes"] for p in missing)
        self.note("planned", step=4, changes=not all(present), send=[p["file"] for p in missing], send_bytes=sent_bytes)
        self.end("not_eligible" if unmet else "already_installed" if all(present) else "eligible", 4, unmet)

    def do_verify(self) -> None:
        """The default test, and the verification of the configuration, of what is installed."""
        if not self.is_installed():
            reason = text("perangkat lunak belum terpasang", "the software is not installed")
            self.end("not_installed", 7, reason)
            return
        try:
            self.test()
            self.visit(11, lambda: self.ask_all(11, "verify"))
        except StepFailed as failure:
            self.end("verify_failed", failure.step, failure.reason)
        else:
            self.end("verified", 11, None)

    def do_uninstall(self) -> None:
        """Step 8 by hand."""
        from agent.removal import uninstall

        uninstall(self)

    def do_install(self) -> None:
        """Steps 4 to 11; whatever fails after step 4 ends in step 8."""
        failed_step = self.ledger.failed_step
        if failed_step and not (failed_step["step"] == 11 and self.ledger.visits(10) < self.configure_limit()):
            self.loop(failed_step["step"], 8, failed_step["reason"])
        if self.ledger.failure is None and self.ledger.effects and self.ledger.falls >= FALLS:
            self.give_up()
        failure = self.ledger.failure
        if failure is None:
            try:
                unmet = self.check_requirements()
                if unmet:
                    self.loop(4, 1, unmet)
                    self.end("not_eligible", 4, unmet)
                    return
                self.put_in_place()
                self.start()
                self.test()
                if self.decide():
                    self.configure()
                self.remember()
            except StepFailed as failed:
                self.loop(failed.step, 8, failed.reason)
                failure = self.ledger.failure
        if failure is not None:
            from agent.rollback import take_back

            take_back(self, failure)
            return
        self.end("installed" if self.has_changed() else "already_installed", self.plan_last_step(), None)

    def has_changed(self) -> bool:
        """Whether this run has changed the computer."""
        return any(effect.result == "changed" for effect in self.ledger.effects)

    def remember(self) -> None:
        """Let the computer remember how what was changed is taken back.

        Raises:
            StepFailed: it has no room for that, so it is taken back now.
        """
        if not self.has_changed():
            return
        from agent.installed import keep_record

        try:
            keep_record(self)
        except JournalError:
            raise
        except OSError as error:
            raise StepFailed(11, unexpected(error)) from error

    def give_up(self) -> None:
        """The computer goes down again and again: what is being installed is taken for the cause."""
        falls = self.ledger.falls
        reason = text(
            f"komputer mati atau menyala ulang {falls} kali di tengah pekerjaan",
            f"the computer went down {falls} times in the middle",
        )
        step = self.ledger.open_step
        if step is not None:
            self.end_step(step, "failed", reason)
        self.loop(step or 5, 8, reason)

    # -- the steps -----------------------------------------------------------------------------------------------------

    def choose_variant(self) -> bool:
        """The first variant whose ``when`` holds here; False where none does."""
        known = self.ledger.variant
        if known is None:
            self.note("facts", step=4, **self.facts)
            reason = None
            for index, variant in enumerate(self.plan["variants"]):
                holds, why = matches(variant.get("when", {}), self.facts)
                if holds:
                    self.note(
                        "variant_chosen",
                        step=4,
                        index=index,
                        when=variant.get("when", {}),
                        since=self.since_now(variant),
                    )
                    break
                reason = reason or why
            else:
                self.note("variant_chosen", step=4, index=None, when={}, reason=reason, since=self.since_now({}))
            known = self.ledger.variant
        if known is None or known["index"] is None:
            return False
        self.variant = self.plan["variants"][known["index"]]
        return True

    def since_now(self, variant: dict[str, Any]) -> dict[str, Any]:
        """Where the run begins: the time, and where every log ends that a probe will read.

        For software that is in place already it is where its own installation began: what it said then counts.
        """
        probes = variant.get("test", []) + variant.get("verify", []) + variant.get("run", [])
        asked = [spec for spec in probes if spec["kind"] == "log"]
        if not asked:
            return {"at": time.time(), "logs": {}}
        kept = load(record_path(self.host.root, self.plan["software"]["name"])) or {}
        if kept.get("since") and all(self.look(spec).present for spec in variant.get("install", [])):
            since: dict[str, Any] = kept["since"]
            return since
        from agent.probes.log import marks

        return {"at": time.time(), "logs": marks(asked, self.host)}

    def check_requirements(self) -> dict[str, str] | None:
        """Step 4: None where everything needed is there, else why not."""
        if self.ledger.result(4) == "ok":
            return None
        self.begin_step(4)
        unmet: list[dict[str, str]] = []
        with self.stoppable(4):
            already = self.is_installed()
            for row in requirements.check(self.plan, self.variant, self.host, self.facts, already=already):
                self.note("requirement", step=4, **row)
                if requirements.stands_in_the_way(row, self.variant):
                    unmet.append(row["reason"] or row["title"])
        reason = join(unmet)
        self.end_step(4, "not_met" if reason else "ok", reason)
        return reason

    def put_in_place(self) -> None:
        """Step 5."""

        def work() -> None:
            self.apply_all(5, "install")
            self.reboot(5, "install", None, self.variant.get("reboot"))

        self.visit(5, work)

    def start(self) -> None:
        """Step 6: started, and it stays up."""
        self.visit(6, lambda: self.apply_all(6, "run"))

    def test(self) -> None:
        """Step 7: the default test."""
        self.visit(7, lambda: self.ask_all(7, "test"))

    def decide(self) -> bool:
        """Step 9: whether configuration is needed. The decision is recorded with its reason.

        Raises:
            Waiting: a person must decide and has not.
        """
        known = self.ledger.decision
        if known and known.get("keep") is False:
            if self.ledger.is_open(9):
                self.end_step(9, "ok", known["reason"])
            raise StepFailed(9, known["reason"])
        if known and known["configure"] is not None and self.ledger.result(9):
            return bool(known["configure"])
        self.begin_step(9)
        with self.attempted(9):
            choice, by, reason = self.choice()
        if choice is None and alone.is_left(self):
            return alone.decide(self)
        if choice is not None or not (known and known["configure"] is None):
            self.note("decision", step=9, configure=choice, by=by, reason=reason)
        if choice is None:
            raise Waiting("awaiting_decision", 9, reason, alone=self.variant.get("alone"))
        self.end_step(9, "ok", reason)
        return choice

    def choice(self) -> tuple[bool | None, str, dict[str, str]]:
        """Whether to configure (None: a person must say), who says so, and why."""
        wanted = self.variant.get("configure") or {}
        taken = self.plan.get("decision")
        if not wanted.get("actions"):
            reason = text("tidak ada konfigurasi dalam playbook", "the playbook has nothing to configure")
            return bool(self.section("verify")), "playbook", reason
        if taken:
            return taken["configure"], taken["by"], taken["reason"]
        if wanted.get("decision", "always") == "never":
            return False, "playbook", text("playbook: tidak perlu konfigurasi", "the playbook says none is needed")
        if wanted.get("decision", "always") == "always":
            return True, "playbook", text("playbook: selalu dikonfigurasi", "the playbook says always")
        if all(self.look(s).present for _, s in self.actions("configure") if s.get("state") not in AFTER_A_CHANGE):
            return True, "playbook", text("konfigurasi sudah ada", "it is configured already")
        return None, "playbook", text("menunggu keputusan petugas", "a person has to decide")

    def configure(self) -> None:
        """Steps 10 and 11, back to 10 as often as the playbook allows."""
        limit = self.configure_limit()
        if self.ledger.result(11) == "ok":
            return
        while True:
            if not (
                self.ledger.result(10) == "ok"
                and (self.ledger.is_open(11) or self.ledger.visits(11) < self.ledger.visits(10))
            ):
                self.visit(10, lambda: self.apply_all(10, "configure"), again=True)
            try:
                self.visit(11, lambda: self.ask_all(11, "verify"), again=True)
            except StepFailed as failed:
                if isinstance(failed, Halted) or self.ledger.visits(10) >= limit:
                    raise
                self.loop(11, 10, failed.reason, limit=limit)
            else:
                return

    def configure_limit(self) -> int:
        """How often step 10 may be visited."""
        return int((self.variant.get("configure") or {}).get("attempts", 1))
