"""A peer on matrix-nio, an implementation of Matrix and its encryption that shares nothing with ours.

Logs in, says so, joins the room it is invited to, tells the first event that it could decrypt, answers with a text of a person
and with a frame. Every line on standard output is JSON.
"""

import asyncio
import base64
import json
import sys

from nio import AsyncClient, AsyncClientConfig, InviteMemberEvent, MegolmEvent, RoomMessageNotice


def say(**fields):
    print(json.dumps(fields), flush=True)


async def main(url, user, password, store):
    config = AsyncClientConfig(encryption_enabled=True, store_sync_tokens=True)
    client = AsyncClient(url, user, store_path=store, config=config)
    answered = asyncio.Event()

    async def invited(room, event):
        if event.membership == "invite" and event.state_key == user:
            await client.join(room.room_id)

    async def undecryptable(room, event):
        say(undecryptable=event.event_id)

    async def message(room, event):
        if event.sender == user or answered.is_set():
            return
        say(sender=event.sender, encrypted=event.decrypted, room=room.room_id, content=event.source["content"])
        frame = {"v": 1, "data": base64.b64encode(b"a frame of nio").decode().rstrip("=")}
        for content in (
            {"msgtype": "m.text", "body": "hello, is this a person?"},
            {"msgtype": "m.notice", "body": "a frame", "skcomm.frame": frame},
        ):
            await client.room_send(room.room_id, "m.room.message", content, ignore_unverified_devices=True)
        say(sent=True)
        answered.set()

    client.add_event_callback(invited, InviteMemberEvent)
    client.add_event_callback(message, RoomMessageNotice)
    client.add_event_callback(undecryptable, MegolmEvent)
    await client.login(password)
    await client.sync(timeout=0, full_state=True)
    if client.should_upload_keys:
        await client.keys_upload()
    say(ready=client.device_id)
    following = asyncio.create_task(client.sync_forever(timeout=10000, full_state=True))
    await answered.wait()
    following.cancel()
    await client.close()


asyncio.run(main(*sys.argv[1:]))
