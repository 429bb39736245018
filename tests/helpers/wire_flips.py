"""How the simulator contradicts each numbered expectation of ``check --live``, one at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

IMAGINE = "imagine"


@dataclass(frozen=True)
class Flip:
    """A change of the simulator's world that contradicts one expectation.

    ``by_prompt``: the change applies to the jobs of one prompt, so that others can run beside it.
    ``also``: faults without which the expectation would not be seen; ``normal``: what confirms it instead.
    """

    number: int
    fault: dict[str, Any]
    by_prompt: bool = False
    also: tuple[dict[str, Any], ...] = field(default=())
    normal: tuple[dict[str, Any], ...] = field(default=())

    @property
    def name(self) -> str:
        changed = [f"{key}={value}" for key, value in self.fault.items() if key != "fault"]
        return f"{self.number}-{'-'.join(changed) if self.fault['fault'] == 'wire' else self.fault['fault']}"


def _wire(number: int, **changes: Any) -> Flip:
    return Flip(number, {"fault": "wire", **changes})


def _job(number: int, **changes: Any) -> Flip:
    return Flip(number, {"fault": "wire", **changes}, by_prompt=True)


FLIPS = (
    Flip(1, {"fault": "reconnect_first"}),
    _wire(2, ready_deduped=True),
    _wire(3, ready_supplemental=True),
    Flip(4, {"fault": "ready_auth_token"}),
    _wire(5, resume_url_query=True),
    Flip(6, {"fault": "gateway_invalid_session"}),
    _wire(7, accepts_subscription=False),
    Flip(8, {"fault": "passive_only"}, by_prompt=True),
    _job(9, post_status=200),
    _job(10, interaction_create=False),
    _job(11, success_first=True),
    _job(12, interaction_success=False),
    _job(13, nonce_on_start=False),
    _job(14, metadata=False),
    _job(15, old_interaction=False),
    _job(16, response_type=0),
    _job(17, webhook_fields=False),
    _wire(18, info_loading=False),
    _wire(19, guild_on_ephemeral=True),
    _wire(20, info_renamed=True),
    Flip(
        21,
        {"fault": "queued_start_with_nonce"},
        by_prompt=True,
        also=({"fault": "queued", "seconds": 0.1},),
        normal=({"fault": "queued", "seconds": 0.1},),
    ),
    _job(22, progress_edits=False),
    _job(23, whole_updates=False),
    _job(24, nonce_on_progress=True),
    _job(25, uuid_in_preview=False),
    _job(26, same_uuid=False),
    _job(27, final_is_new=False),
    _job(28, reference_on_final=False),
    _job(29, nonce_on_final=True),
    _job(30, interaction_on_final=True),
    _job(31, delete="before"),
    _job(31, delete="missing"),
    Flip(32, {"fault": "components_v2"}, by_prompt=True),
    _job(33, odd_size=True),
    _job(34, website="plain"),
    _job(35, unknown_button=True),
    _job(36, echo_changed=True),
    _job(37, nonce_in_history=True),
    _wire(38, json_charset=True),
    Flip(
        39,
        {"fault": "rest_html", "match": "/messages"},
        normal=({"fault": "rest_error", "status": 503, "match": "/messages"},),
    ),
    Flip(40, {"fault": "index_202", "retry_after": 0.05}),
    _wire(41, known_command_ids=False),
    _wire(42, url_lifetime=1_209_600),
    _wire(43, refreshes_urls=False),
)
"""Every expectation has a flip, also where it holds "as far as anybody knows"."""

UNDECIDED = (
    _job(0, format="png"),
    _job(0, website="none"),
    _wire(0, upload_refuses_login=False),
    _wire(0, modal_first=True),
)
"""Other worlds, for what no expectation is about: forms that occur, and what nobody knows."""
