"""LangChain's adapter, which makes tools of an agent framework from those of a server; it stands on version 1 of the
official client. legacy http URL, or legacy stdio COMMAND URL."""

import asyncio
import os
import sys

from langchain_mcp_adapters.client import MultiServerMCPClient

from driver import drive, result

_, WAY, *WHERE = sys.argv[1:]
KEY = os.environ["ATTHENE_API_KEY"]


def server():
    if WAY == "stdio":
        command, url = WHERE
        return {
            "transport": "stdio",
            "command": command,
            "args": ["mcp", "--url", url],
            "env": {"ATTHENE_API_KEY": KEY},
        }
    return {"transport": "streamable_http", "url": WHERE[0], "headers": {"Authorization": f"Bearer {KEY}"}}


async def main():
    client = MultiServerMCPClient({"atthene": server()})
    found = {tool.name: tool for tool in await client.get_tools()}

    async def tools():
        return [tool.name for tool in await client.get_tools()]

    async def call(name, arguments):
        # As an agent calls it: by the tool that was listed, with an id.
        asked = {"name": name, "args": arguments, "id": "1", "type": "tool_call"}
        got = await found[name].ainvoke(asked)
        structured = (got.artifact or {}).get("structured_content")
        return result(got.status == "error", [part["text"] for part in got.content], structured)

    await drive("", tools, call)


asyncio.run(main())
