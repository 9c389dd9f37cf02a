"""What the clients here share: each line of standard input says what to do, each line of standard output tells what
the client saw. So that one test asks all of them the same."""

import asyncio
import json
import sys


def tell(**seen):
    print(json.dumps(seen), flush=True)


async def line():
    return await asyncio.to_thread(sys.stdin.readline)


async def outcome(calling):
    try:
        return await calling
    except asyncio.CancelledError:
        return {"cancelled": True}
    except Exception as error:
        return {"raised": type(error).__name__, "text": str(error)}


async def drive(version, tools, call):
    """`tools` lists them; `call` calls one and returns what came of it."""
    tell(version=version)
    while asked := await line():
        asked = json.loads(asked)
        if asked["do"] == "list":
            tell(tools=await tools())
            continue
        calling = asyncio.create_task(call(asked["name"], asked["arguments"]))
        if asked["do"] == "call_and_cancel":
            # When the next line comes.
            await line()
            calling.cancel()
        tell(**await outcome(calling))


def result(is_error, content, structured):
    return {"error": bool(is_error), "text": "\n".join(content), "structured": structured}
