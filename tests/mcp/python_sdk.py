"""The official client for Python, version 2. ERA http URL, or ERA stdio COMMAND URL; ERA is legacy or a revision."""

import asyncio
import os
import sys

from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from driver import drive, result

ERA, WAY, *WHERE = sys.argv[1:]
KEY = os.environ["ATTHENE_API_KEY"]


def server():
    if WAY == "stdio":
        command, url = WHERE
        return StdioServerParameters(command=command, args=["mcp", "--url", url], env={"ATTHENE_API_KEY": KEY})
    # With the client's own limits of time.
    return streamable_http_client(
        WHERE[0], http_client=create_mcp_http_client(headers={"Authorization": f"Bearer {KEY}"})
    )


async def main():
    async with Client(server(), mode=ERA) as client:

        async def tools():
            return [tool.name for tool in (await client.list_tools()).tools]

        async def call(name, arguments):
            got = await client.call_tool(name, arguments)
            return result(got.is_error, [part.text for part in got.content], got.structured_content)

        await drive(client.protocol_version, tools, call)


asyncio.run(main())
