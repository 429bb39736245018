"""The catalogue of faults: each name with its description."""

from __future__ import annotations

_POST = {
    "post_error": "POST /interactions: any error, by the keys `status`, `code`, `message`; not executed",
    "post_429": "POST /interactions: 429 with retry_after (keys `retry_after`, default 0.2, and `scope`: "
    "user, shared or global, default user); not executed",
    "post_429_ms": "POST /interactions: 429 as from Cloudflare, with retry_after in milliseconds (key "
    "`retry_after` in seconds, default 1); not executed",
    "post_429_html": "POST /interactions: 429 as from Cloudflare, in HTML (with Retry-After only if the key "
    "`retry_after` is given)",
    "post_429_executed": "POST /interactions: 429 as with post_429, but the command runs",
    "post_slow": "the answer to POST /interactions comes late (key `seconds`, default 1); the command runs",
    "post_500": "POST /interactions: 500; not executed",
    "post_500_executed": "POST /interactions: 500, but the command runs",
    "post_html": "POST /interactions: an HTML page (key `status`, default 503); not executed",
    "post_html_executed": "POST /interactions: the same page, but the command runs",
    "post_202": "POST /interactions: 202 with code 110000 and retry_after; not executed",
    "post_reset": "POST /interactions: the connection is reset before anything happens",
    "post_reset_executed": "the connection is reset after the command was accepted",
    "captcha": "POST /interactions: 400 with captcha_key; not executed",
    "not_permitted": "POST /interactions: 50035, the account may not use the command here; not executed",
    "unauthorized": "POST /interactions: 401; not executed",
    "stale_version": "at once: new versions, so the next POST is stale; with a count, later ones too",
}

_REST = {
    "rest_error": "another REST request: any error, by the keys `status`, `code`, `message`",
    "rest_429": "another REST request: 429, with the keys of post_429",
    "rest_202": "another REST request: 202 with code 110000 and retry_after",
    "account_limited": "at once: for some seconds (key `seconds`, default 5) every request of the account, "
    "POST /interactions too, gets 429 with the time that is left; nothing is executed",
    "rest_html": "another REST request: an HTML page (key `status`, default 503)",
    "rest_slow": "another REST request: its answer comes late (key `seconds`, default 1)",
    "rest_reset": "another REST request: its connection is reset",
    "index_202": "the next command index is not ready: 202 with code 110000 and retry_after",
    "history_empty": "the next message list is empty, as without READ_MESSAGE_HISTORY",
}

_GATEWAY = {
    "gateway_cut": "at once: every gateway connection is dropped; with a count, later ones are dropped too",
    "gateway_cut_midframe": "at once: every gateway connection is dropped in the middle of a message",
    "gateway_down": "at once: every gateway connection is dropped, new ones refused for some seconds (key "
    "`seconds`, default 5); with `lose_session` true the sessions end too",
    "gateway_reconnect": "at once: op 7 to every connection",
    "gateway_close": "at once: every connection is closed by the server (key `code`, default 4000)",
    "gateway_heartbeat": "at once: op 1 to every connection, which must be answered by a heartbeat",
    "gateway_noise": "at once: unknown opcodes and dispatches, and known ones in unusual forms",
    "gateway_garbage": "at once: a message that is not JSON to every connection",
    "gateway_split": "the next zlib-stream connection gets each message in several WebSocket messages",
    "hello_late": "the next connection gets HELLO late (key `seconds`, default 1)",
    "reconnect_first": "the next connection gets op 7 instead of HELLO",
    "ready_large": "the next READY has some megabytes (key `megabytes`, default 8)",
    "ready_auth_token": "the next READY has a new token for the account, which is valid too",
    "required_action": "the next READY says that the account is limited (key `action`, default AGREEMENTS)",
    "gateway_invalid_session": "the next RESUME is answered by op 9 false",
    "gateway_invalid_session_resumable": "the next RESUME is answered by op 9 true",
    "replay_twice": "the next RESUME replays every dispatch twice",
    "identify_limited": "the next IDENTIFY is answered by op 9 false",
    "identify_limited_resumable": "the next IDENTIFY is answered by op 9 true",
    "identify_closed": "the next IDENTIFY is closed (key `code`, default 4015, too many sessions)",
    "session_id_reused": "the next IDENTIFY begins a new session under the id of the account's last one",
    "unsubscribed": "the next session gets only PASSIVE_UPDATE_V2 for the guild's messages, until it "
    "subscribes with op 37",
    "heartbeat_ignored": "the next heartbeat gets no ACK",
}

_CDN = {
    "cdn_404": "the next download: 404, as for an expired address",
    "cdn_truncated": "the next download ends in the middle",
    "cdn_wrong_length": "the next download is shorter than its attachment says, but a complete answer",
    "cdn_206": "the next download: 206 with the second half, whatever was requested",
    "cdn_corrupt": "the next download has the right length and a damaged middle",
    "cdn_not_image": "the next download is an HTML page, with status 200",
    "cdn_bomb": "the next download is a small file that claims to be an enormous picture (key `edge`, "
    "default 60000 pixels)",
    "cdn_huge": "the next download is very large (key `megabytes`, default 512), without a length",
    "cdn_redirect": "the next download: 302 to another host (key `location`)",
    "cdn_error": "the next download: another status (key `status`, default 503)",
    "cdn_reset": "the next download: the connection is reset",
    "cdn_slow": "the next download arrives slowly, for some seconds (key `seconds`, default 5)",
}

_JOB = {
    "interaction_failed": "INTERACTION_FAILURE (key `reason`, default 2), and nothing runs",
    "interaction_failed_executed": "INTERACTION_FAILURE (key `reason`, default 2), but the job runs",
    "captcha_iframe": "INTERACTION_IFRAME_MODAL_CREATE with a captcha instead of an answer; nothing runs",
    "told_late": "the command runs, but no event is sent for some seconds (key `seconds`, default 2)",
    "success_never": "no INTERACTION_SUCCESS",
    "success_late": "INTERACTION_SUCCESS after everything else",
    "silent": "INTERACTION_SUCCESS, and then nothing at all",
    "refuse": "the bot refuses with the notice named by `title` (also written `refuse:<title>`; keys `text` "
    "for another text, `color`, `footer`, `untitled` true, `seconds` until the time in Slow Down!)",
    "refuse_by_reply": "the job starts, then the notice named by `title` comes as a plain reply to the "
    "progress message, and no final",
    "queued": '"Job queued", and after some seconds (key `seconds`, default 1) a start without nonce',
    "no_start": "no start message and no progress; the final comes",
    "no_progress": "a start message, then nothing until the final",
    "loading_first": "the job starts with a LOADING message that is edited into the start",
    "foreign_twin": "a stranger's job with the same prompt runs beside this one in the channel",
    "by_hand_twin": "the account's owner types the same prompt in Discord: that job runs beside this one",
    "preview_without_uuid": "previews are named only grid_0.webp",
    "no_preview": "progress without pictures, as when progress images are disabled",
    "paused": "half of the progress says (paused) instead of a percentage",
    "footer": "every content has a line of small print at its end",
    "ephemeral_job": "all messages of the job are ephemeral, the final too: no history has them",
    "components_v2": "the final has its picture only in components: no content, no attachments",
    "four_pictures": "the final has four pictures as attachments in place of a grid (not recorded)",
    "four_in_gallery": "the same four pictures in a gallery of components (not recorded)",
    "final_edited": "the final is edited at once without a visible change",
    "final_twice": "the bot posts the result in two messages",
    "final_lost": "the gateway does not send the final; the history has it",
    "nonce_on_final": "the final answers the interaction as the start does: nonce and interaction are in it",
    "passive_only": "the job's messages cause only PASSIVE_UPDATE_V2, as in an unsubscribed guild",
    "duplicate_dispatch": "every message event of the job is sent twice",
    "out_of_order": "every second message event of the job overtakes the one before it",
    "delete_bulk": "messages of the job are deleted by MESSAGE_DELETE_BULK",
    "moderated": "the progress message is deleted at some percentage and no final comes",
    "stopped": "a person stops the job: its progress message says (Stopped) and no final comes",
}

_FOLLOW_UP = {
    "modal_asked": "the pressed button opens its modal, although remix mode is off",
    "modal_never": "a press that opens a modal: INTERACTION_SUCCESS, but no modal comes",
    "modal_late": "the modal comes late (key `seconds`, default 1)",
    "modal_expired": "the modal can no longer be submitted: 404 with code 10062",
    "button_gone": "POST /interactions: 50035, the message no longer has this button; not executed",
    "message_gone": "POST /interactions: 404 with code 10008, the message is gone; not executed",
    "as_gif": "a video is a GIF instead of an animated WebP",
}
_UPLOAD = {
    "upload_error": "the next PUT of a file: another status (key `status`, default 503)",
    "upload_reset": "the next PUT of a file: the connection is reset",
    "upload_lost": "the next PUT of a file is answered by 200, but the file is not stored",
}
_BOT = {
    "answer_stuck": "/info, /describe, /shorten: the LOADING answer is never filled in",
    "account": "at once: change the account by the keys `mode` (fast, relax, turbo), `remix`, `stealth`, "
    "`variability` (booleans), `suffix`, `version` (texts), `fast_hours` (left)",
    "wire": "at once: change the profile by its keys, such as `reference_on_final` or `delete`, everywhere, "
    "or for interactions with the text in `match`, until /_sim/reset",
    "niji_joins": "at once: niji・journey is in the guild too, and its commands are in the guild's index",
    "informed": "a notice named by `title` (default Duplicate images detected) comes beside a job that runs "
    "anyway; keys as for refuse",
    "queued_start_with_nonce": "a job that waited in the queue starts with our nonce and interaction",
}

NOT_FOR_IMAGINE = frozenset({*_UPLOAD, *_FOLLOW_UP, *_BOT})
"""Faults that a single /imagine never meets: those of uploads, follow-ups, the account, the queue."""
CATALOGUE: dict[str, str] = {**_POST, **_REST, **_GATEWAY, **_CDN, **_JOB, **_UPLOAD, **_FOLLOW_UP, **_BOT}
"""Every fault by its name."""
